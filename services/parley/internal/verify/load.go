package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
)

const (
	pollEvery                 = 50 * time.Millisecond // how often the state is looked at while settling
	progressEvery             = time.Second
	lateDevice    chat.Device = "late"
	readersAtOnce             = 4 // conversations that are read back at once
)

// load is one run: the devices, what they talk about, and the outsider.
type load struct {
	opt   Options
	api   *api
	start time.Time
	run   string // names this run's users, so that runs do not meet
	rng   *rand.Rand

	users   []chat.User
	convs   []*conversation
	made    []Fact
	devices []*device // the last ones do not send
	senders int       // how many do
	outside *device
	probes  []Probe
	heads   map[chat.ConvID]chat.Seq

	count     counters
	stopped   sync.Once
	unsettled string // what had not come when the time was over
	restless  string // the same, where commands had no outcome yet
}

func newLoad(opt Options) *load {
	l := &load{
		opt: opt, api: newAPI(opt.API, opt.Token), start: time.Now(),
		run: fmt.Sprintf("%08x", rand.Uint32()), rng: rand.New(rand.NewPCG(opt.Seed, 0)),
	}
	for i := range opt.Users {
		l.users = append(l.users, chat.User(fmt.Sprintf("verify-%s-u%02d", l.run, i)))
	}
	return l
}

// close ends all clients; it can be called again.
func (l *load) close() {
	l.stopped.Do(func() {
		var wg sync.WaitGroup
		for _, d := range l.devices {
			wg.Go(d.client.Close)
		}
		wg.Wait()
		l.api.close()
	})
}

// prepare connects everybody and makes the groups.
func (l *load) prepare(ctx context.Context) error {
	l.opt.Progress(fmt.Sprintf("run %s, seed %d: %d users, %d devices each, %d gateways", l.run, l.opt.Seed, l.opt.Users, l.opt.Devices, len(l.opt.URLs)))
	token, err := l.api.tokenOf(ctx, l.users[0], "")
	if err != nil {
		return err
	}
	_, ns := client.TokenClaims(token)
	for i, a := range l.users {
		for _, b := range l.users[i+1:] {
			l.convs = append(l.convs, &conversation{conv: chat.DirectID(ns, a, b), members: []chat.User{a, b}, direct: true})
		}
	}
	// Half of the groups are there before anybody connects, half are made meanwhile.
	if err := l.makeGroups(ctx, 0, l.opt.Groups/2); err != nil {
		return err
	}
	for _, u := range l.users {
		for i := range l.opt.Devices {
			if _, err := l.connect(u, chat.Device(fmt.Sprintf("d%d", i)), "", l.cursors(u)); err != nil {
				return err
			}
		}
	}
	l.senders = len(l.devices)
	outsider := chat.User(fmt.Sprintf("verify-%s-outsider", l.run))
	if l.outside, err = l.connect(outsider, "d0", "", nil); err != nil {
		return err
	}
	for _, d := range l.devices {
		if err := d.isLive(ctx); err != nil {
			return err
		}
	}
	return l.makeGroups(ctx, l.opt.Groups/2, l.opt.Groups)
}

// isLive waits for a device's first synced.
func (d *device) isLive(ctx context.Context) error {
	select {
	case <-d.live:
		return nil
	case <-d.client.Done():
		return fmt.Errorf("connect as %s: %w", d.user, d.client.Err())
	case <-ctx.Done():
		return fmt.Errorf("connect as %s: %w (%v)", d.user, ctx.Err(), d.client.State().Err)
	}
}

// connect starts a device. Its list of gateways is drawn from all of them, so that
// a reconnect sometimes meets the same one and sometimes another.
func (l *load) connect(u chat.User, name chat.Device, epoch string, cursors map[chat.ConvID]chat.Seq) (*device, error) {
	urls := make([]string, 8)
	for i := range urls {
		urls[i] = l.opt.URLs[l.rng.IntN(len(l.opt.URLs))]
	}
	for _, must := range l.opt.URLs { // none is left out if some are away
		if !slices.Contains(urls, must) {
			urls = append(urls, must)
		}
	}
	// The clients outlive the load's time: what had not come by then is looked at.
	return l.startDevice(context.Background(), deviceOptions{
		user: u, device: name, index: len(l.devices), urls: urls, epoch: epoch, cursors: cursors,
		token: func(ctx context.Context) (string, error) { return l.opt.Token(ctx, u) },
	})
}

// cursors says that nothing of any of a user's conversations has come yet.
func (l *load) cursors(u chat.User) map[chat.ConvID]chat.Seq {
	m := map[chat.ConvID]chat.Seq{}
	for _, c := range l.convs {
		if c.has(u) {
			m[c.conv] = 0
		}
	}
	return m
}

func (c *conversation) has(u chat.User) bool {
	_, ok := slices.BinarySearch(c.members, u)
	return ok
}

// makeGroups makes groups of half of the users each, at least three.
func (l *load) makeGroups(ctx context.Context, from, to int) error {
	for i := from; i < to; i++ {
		size := min(max(3, len(l.users)/2), len(l.users))
		var members []chat.User
		for _, k := range l.rng.Perm(len(l.users))[:size] {
			members = append(members, l.users[k])
		}
		creator, cmid := members[0], client.NewCMID()
		made, err := l.api.createGroup(ctx, creator, fmt.Sprintf("verify %s %d", l.run, i), members[1:], cmid)
		if err != nil {
			return fmt.Errorf("make a group: %w", err)
		}
		slices.Sort(members)
		l.convs = append(l.convs, &conversation{conv: made.Conv, members: members})
		l.made = append(l.made, Fact{Conv: made.Conv, Type: "members", From: creator, CMID: cmid})
	}
	return nil
}

// send lets every device send its share, and waits until all were submitted.
func (l *load) send(ctx context.Context) {
	l.opt.Progress(fmt.Sprintf("sending %d messages to %d conversations", l.opt.Messages, len(l.convs)))
	var pace time.Duration
	if l.opt.Rate > 0 {
		pace = time.Duration(float64(l.senders) / l.opt.Rate * float64(time.Second))
	}
	var wg sync.WaitGroup
	for i, d := range l.devices[:l.senders] {
		share := l.opt.Messages / l.senders
		if i < l.opt.Messages%l.senders {
			share++
		}
		wg.Go(func() { d.run(ctx, l, share, pace) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			l.progress()
		}
	}
}

func (l *load) progress() {
	c := &l.count
	l.opt.Progress(fmt.Sprintf("%6.1fs  sent %d  acked %d  entries %d  connections lost %d",
		time.Since(l.start).Seconds(), c.sent.Load(), c.acked.Load(), c.received.Load(), c.reconnects.Load()))
}

// settle waits until every message has its outcome and every device has every
// entry, or the time is over; then it says what is missing.
func (l *load) settle(ctx context.Context) {
	if submitted := l.count.sent.Load() + l.count.refused.Load(); submitted < int64(l.opt.Messages) {
		l.restless = fmt.Sprintf("only %d of %d messages could be sent", submitted, l.opt.Messages)
	} else {
		l.opt.Progress("waiting until everything has arrived")
		l.restless = l.poll(ctx, l.unanswered)
	}
	if l.unsettled = l.restless; l.unsettled != "" {
		return
	}
	err := l.readHeads(ctx)
	if err == nil {
		err = l.connectLate(ctx)
	}
	if err != nil {
		l.unsettled = err.Error()
		return
	}
	if l.unsettled = l.poll(ctx, l.behind); l.unsettled != "" {
		return
	}
	// What was on its way when the last entry came is here after a ping: a
	// duplicate would be.
	for _, d := range l.devices {
		if err := d.client.Ping(ctx); err != nil {
			l.unsettled = fmt.Sprintf("%s: no answer to a ping: %v", d.rec.log.Name(), err)
			return
		}
	}
}

// rest waits, in a run that was cut off, until nothing is on its way to the store any
// more, or ctx ends: a sender's outcome says that the effects of its command can be
// read, too.
func (l *load) rest(ctx context.Context) {
	if l.restless != "" {
		l.opt.Progress("waiting for the outcomes of what was sent")
		l.poll(ctx, l.waiting)
	}
}

// poll looks at a state until nothing is missing any more, and tells what still is when
// ctx ends; "": nothing.
func (l *load) poll(ctx context.Context, missing func() string) string {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	told := time.Now()
	for {
		what := missing()
		if what == "" {
			return ""
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return what
		}
		if time.Since(told) > progressEvery {
			told = time.Now()
			l.progress()
		}
	}
}

// unanswered tells of a device with messages that have no outcome, or that has ended.
func (l *load) unanswered() string {
	for _, d := range l.devices {
		if err := d.client.Err(); err != nil {
			return fmt.Sprintf("%s has ended: %v", d.rec.log.Name(), err)
		}
	}
	return l.waiting()
}

// waiting tells of a device with messages whose outcome is still to come. A slot is
// free again once the outcome was counted, which is a little after the client had it.
func (l *load) waiting() string {
	for _, d := range l.devices {
		if n := len(d.slots); n > 0 && d.client.Err() == nil {
			return fmt.Sprintf("%s waits for the outcome of %d messages; it is %s", d.rec.log.Name(), n, d.client.State().Phase)
		}
	}
	return ""
}

// behind tells of a device that has not got everything.
func (l *load) behind() string {
	for _, d := range l.devices {
		for _, c := range l.convs {
			if head := l.heads[c.conv]; c.has(d.user) && d.client.Cursor(c.conv) < head {
				return fmt.Sprintf("%s has seq %d of %d in %s; it is %s", d.rec.log.Name(), d.client.Cursor(c.conv), head, c.conv, d.client.State().Phase)
			}
		}
	}
	return ""
}

// readHeads asks how long every log is, now that nobody sends.
func (l *load) readHeads(ctx context.Context) error {
	l.heads = map[chat.ConvID]chat.Seq{}
	for _, c := range l.convs {
		conv, err := l.api.conversation(ctx, c.members[0], c.conv)
		if isNotFound(err) && c.direct {
			continue // nobody wrote there
		}
		if err != nil {
			return err
		}
		l.heads[c.conv] = conv.Head
	}
	return nil
}

func isNotFound(err error) bool {
	var ce *chat.Error
	return errors.As(err, &ce) && ce.Code == chat.CodeNotFound
}

// connectLate adds a device that has nothing yet, and says so: it must get the
// whole of every log in one flush.
func (l *load) connectLate(ctx context.Context) error {
	epoch, _ := l.devices[0].client.Position()
	d, err := l.connect(l.users[0], lateDevice, epoch, l.cursors(l.users[0]))
	if err != nil {
		return err
	}
	return d.isLive(ctx)
}

// readBack asks the API for everything, once the clients have gone.
func (l *load) readBack(ctx context.Context) (*History, error) {
	l.opt.Progress("reading back")
	h := &History{Convs: map[chat.ConvID]*Conv{}, Made: l.made, Probes: l.probes, Restless: l.restless}
	for _, d := range l.devices {
		h.Clients = append(h.Clients, d.rec.take())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readersAtOnce)
	var mu sync.Mutex
	for _, c := range l.convs {
		group.Go(func() error {
			conv, err := l.api.readConv(ctx, c.conv, c.members)
			if isNotFound(err) && c.direct {
				conv, err = &Conv{Members: c.members}, nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			h.Convs[c.conv] = conv
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	resolve(h)
	return h, nil
}

// resolve fills in the conversation of what was sent to a user: its submission
// names it.
func resolve(h *History) {
	for i := range h.Clients {
		l := &h.Clients[i]
		conv := map[chat.CMID]chat.ConvID{}
		for k := range l.Events {
			switch e := &l.Events[k]; e.Kind {
			case Submit:
				conv[e.CMID] = e.Conv
			case Send:
				e.Conv = conv[e.CMID]
			}
		}
	}
}
