package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// clientFaults happen between clients and gateways.
func clientFaults() []Scenario {
	return []Scenario{
		{Name: "half-open", outage: 35 * time.Second, About: "clients and a gateway hear nothing of each other for 45 s; no connection is closed",
			run: underLoad(50*time.Second, halfOpen)},
		{Name: "flip", About: "two devices connect to another gateway 50 times, without leaving the last one",
			run: flip},
		{Name: stormName, About: "all devices lose their connections at once",
			run: storm},
	}
}

// halfOpen lasts longer than a client is silent before it gives up: 25 s and 10 s.
func halfOpen(ctx context.Context, w *world, _ time.Duration) error {
	if !pause(ctx, 2*time.Second) {
		return nil
	}
	k := w.front[w.rng.IntN(len(w.front))]
	defer k.heal()
	if err := errors.Join(k.swallow(toServer), k.swallow(fromServer)); err != nil {
		return err
	}
	w.struck("everything on the link %s is lost for 45 s", k.name)
	pause(ctx, 45*time.Second)
	return nil
}

// group makes a conversation over REST.
func (w *world) group(ctx context.Context, creator chat.User, members []chat.User) (chat.ConvID, error) {
	token, err := w.cluster.Token(creator)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{"title": "drill", "members": members, "cmid": client.NewCMID()})
	if err != nil {
		return "", fmt.Errorf("make a group: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cluster.History.URL()+"/v1/conversations", strings.NewReader(string(body)))
	if err != nil {
		return "", fmt.Errorf("make a group: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Close = true // nothing stays behind
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("make a group: %w", err)
	}
	defer res.Body.Close()
	var made wire.Conversation
	if err := json.UnmarshalRead(res.Body, &made); err != nil || res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("make a group: HTTP status %s %w", res.Status, err)
	}
	return made.Conv, nil
}

// flip lets two devices of one user connect to one gateway after the other, each
// time while the last session is still there and entries are coming. The session
// before must end with 4409, and the new one go on exactly where the device stood.
func flip(ctx context.Context, w *world, r *Result) error {
	flips := 50
	if w.opt.Short {
		flips = 12
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	conv, err := w.group(ctx, "writer", []chat.User{"reader"})
	if err != nil {
		return err
	}
	writer, err := w.follow(ctx, followerOptions{user: "writer", urls: w.urls()})
	if err != nil {
		return err
	}
	defer writer.Close()

	book := newAcks()
	sendCtx, stopSending := context.WithCancel(ctx)
	defer stopSending()
	type sent struct {
		last chat.Seq
		err  error
	}
	all := make(chan sent, 1)
	go func() { // until the flips are done; a message under way then is waited for by the followers
		last, err := book.send(sendCtx, writer.Client, conv, 1<<20, 25*time.Millisecond)
		all <- sent{last, err}
	}()
	flipped := make(chan error, 2)
	var lives [2][]*follower
	for d := range lives {
		go func() { // waited for below
			var err error
			lives[d], err = w.flipping(ctx, conv, d, flips)
			flipped <- err
		}()
	}
	err = errors.Join(<-flipped, <-flipped)
	stopSending()
	end := <-all
	if end.err != nil && !errors.Is(end.err, context.Canceled) {
		err = errors.Join(err, end.err)
	}
	for d := range lives {
		for i, f := range lives[d] {
			if last := i == len(lives[d])-1; last && err == nil {
				if late := f.has(ctx, conv, end.last); late != nil {
					r.violated("not everything had arrived in time: " + late.Error())
				}
			}
			f.Close()
			r.judge(f)
		}
		r.compare(lives[d], conv, book)
		r.Reconnects += len(lives[d]) - 1
	}
	r.Sent, r.Acked = int64(len(book.at)), int64(len(book.at))
	return err
}

// flipping is one device's way from gateway to gateway, with some entries between.
func (w *world) flipping(ctx context.Context, conv chat.ConvID, at, flips int) (lives []*follower, err error) {
	urls, device := w.urls(), chat.Device(fmt.Sprint("device-", at))
	for i := range flips + 1 {
		o := followerOptions{user: "reader", device: device, urls: []string{urls[(at+i)%len(urls)]}}
		if i > 0 {
			o.before = lives[i-1]
		}
		f, err := w.follow(ctx, o)
		if err != nil {
			return lives, err
		}
		lives = append(lives, f)
		if err := f.synced(ctx); err != nil {
			return lives, err
		}
		if err := f.has(ctx, conv, f.Cursor(conv)+chat.Seq(i%4)); err != nil {
			return lives, err
		}
		if i == 0 {
			continue
		}
		w.strikes.Add(1)
		select {
		case <-lives[i-1].Done():
			var ce *client.CloseError
			if err := lives[i-1].Err(); !errors.As(err, &ce) || ce.Code != chat.CloseReplaced {
				return lives, fmt.Errorf("the session before ended with %w, and not with 4409", err)
			}
		case <-ctx.Done():
			return lives, fmt.Errorf("the session before is still there: %w", ctx.Err())
		}
	}
	return lives, nil
}

// compare holds what a device saw in all its lives against what was acked.
func (r *Result) compare(lives []*follower, conv chat.ConvID, book *acks) {
	first := make(map[place]time.Time)
	for _, f := range lives {
		f.mu.Lock()
		for p, at := range f.arrived {
			if old, ok := first[p]; !ok || at.Before(old) {
				first[p] = at
			}
		}
		f.mu.Unlock()
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	for p, acked := range book.at {
		if p.conv != conv {
			continue
		}
		at, ok := first[p]
		if !ok {
			r.violated(fmt.Sprintf("%s never got seq %d of %s, which was acked", lives[0].user, p.seq, p.conv))
			continue
		}
		r.Staleness = max(r.Staleness, float64(at.Sub(acked).Microseconds())/1000)
	}
}
