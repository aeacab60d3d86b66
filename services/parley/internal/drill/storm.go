package drill

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
)

// The storm: few conversations with many devices, because the MongoDB-wire server
// reads all of a collection where MongoDB uses an index.
const (
	stormName     = "storm"
	stormDevices  = 16 // of each user: as many as a user may have
	stormUsers    = 25 // of each conversation
	stormLogins   = 40 // at a time, before the storm
	stormMessages = 3  // to each conversation, before the cut and during the storm
	stormTime     = 12 * time.Minute
	tellEvery     = 15 * time.Second
)

// crowd is the devices of a storm, and what they must have.
type crowd struct {
	w       *world
	writer  *follower
	book    *acks
	devices []*follower
	convs   []chat.ConvID // of each device
	heads   map[chat.ConvID]chat.Seq
}

// storm logs all devices in, spread over the gateways, and cuts them all off at once,
// so that they come back together, each to the next gateway; it writes to them
// meanwhile, and waits until all have come back and have everything.
func storm(ctx context.Context, w *world, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, stormTime)
	defer cancel()
	c := &crowd{w: w, book: newAcks(), heads: make(map[chat.ConvID]chat.Seq)}
	defer c.close()
	begun := time.Now()
	if err := c.login(ctx); err != nil {
		return err
	}
	if err := c.write(ctx); err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		return fmt.Errorf("before the storm: %w", err)
	}
	loggedIn := time.Since(begun)
	w.opt.Progress(fmt.Sprintf("    %d devices logged in and in step after %.1f s", len(c.devices), loggedIn.Seconds()))

	cut := time.Now()
	for _, k := range w.front {
		k.cut()
	}
	for _, k := range w.front {
		if err := k.restore(); err != nil {
			return err
		}
	}
	w.struck("cut %d devices off", len(c.devices))
	if err := c.write(ctx); err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		r.violated("not everybody came back in time: " + err.Error())
	}
	back := time.Since(cut)
	w.opt.Progress(fmt.Sprintf("    all were back after %.1f s", back.Seconds()))
	r.Note = fmt.Sprintf("%d devices logged in in %.0f s, all synced again %.0f s after the cut", len(c.devices), loggedIn.Seconds(), back.Seconds())
	for i, f := range c.devices {
		r.judge(f)
		r.compare([]*follower{f}, c.convs[i], c.book)
		r.Reconnects += max(f.Stats().Connects-1, 0)
	}
	r.Sent, r.Acked = int64(len(c.book.at)), int64(len(c.book.at))
	return nil
}

// login connects everybody, a bounded number at a time.
func (c *crowd) login(ctx context.Context) (err error) {
	if c.writer, err = c.w.follow(ctx, followerOptions{user: "writer", urls: c.w.cluster.URLs()}); err != nil { // not through the fronts
		return err
	}
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(stormLogins)
	for len(c.devices) < c.w.opt.Storm {
		var members []chat.User
		for i := range stormUsers {
			members = append(members, chat.User(fmt.Sprintf("user-%d-%d", len(c.heads), i)))
		}
		conv, err := c.w.group(ctx, "writer", members)
		if err != nil {
			return err
		}
		c.heads[conv] = 1
		for i := range min(stormUsers*stormDevices, c.w.opt.Storm-len(c.devices)) {
			o := followerOptions{
				user: members[i/stormDevices], device: chat.Device(fmt.Sprint("device-", i%stormDevices)),
				urls: rotated(c.w.urls(), len(c.devices)), http: own,
			}
			f, err := c.w.follow(context.WithoutCancel(ctx), o) // it outlives the group
			if err != nil {
				return err
			}
			c.devices, c.convs = append(c.devices, f), append(c.convs, conv)
			if len(c.devices)%500 == 0 {
				c.w.opt.Progress(fmt.Sprintf("    logging in %d devices", len(c.devices)))
			}
			group.Go(func() error { return f.synced(ctx) })
		}
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}

func rotated(list []string, by int) []string {
	by %= len(list)
	return slices.Concat(list[by:], list[:by])
}

// write sends messages to every conversation.
func (c *crowd) write(ctx context.Context) error {
	for conv := range c.heads {
		last, err := c.book.send(ctx, c.writer.Client, conv, stormMessages, 0)
		if err != nil {
			return err
		}
		c.heads[conv] = last
	}
	return nil
}

// settled waits until every device has everything.
func (c *crowd) settled(ctx context.Context) error {
	begun, told := time.Now(), time.Now()
	for i, f := range c.devices {
		if time.Since(told) > tellEvery {
			told = time.Now()
			c.w.opt.Progress(fmt.Sprintf("    %d of %d devices have everything after %.0f s", i, len(c.devices), time.Since(begun).Seconds()))
		}
		if err := f.has(ctx, c.convs[i], c.heads[c.convs[i]]); err != nil {
			return err
		}
	}
	return nil
}

func (c *crowd) close() {
	group := errgroup.Group{}
	for _, f := range append(c.devices, c.writer) {
		if f != nil {
			group.Go(func() error { f.Close(); return nil })
		}
	}
	_ = group.Wait() // none of them fails
}
