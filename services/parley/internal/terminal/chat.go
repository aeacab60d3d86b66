package terminal

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	historyItems = 20  // shown at the start
	flushItems   = 200 // most entries of a conversation that come at the start
	eventsWait   = 64  // events between the client and the screen
)

const help = `/quit  ends, once everything is sent; so does Ctrl-D
  /help  shows this
  //…    sends a line that begins with one /
  Marks: ✓ stored, ✓✓ delivered, ✓✓ read`

// ui is the state of one chat on a screen. One goroutine owns it.
type ui struct {
	Options
	c     *client.Client
	tally tally
	screen

	titles    map[chat.ConvID]string
	live      bool
	asked     bool // for the history
	asking    sync.WaitGroup
	begun     bool           // the history was shown
	early     []client.Entry // came before that
	shown     chat.Seq
	typedHere map[chat.CMID]bool // sent from here, so on the screen already
	own       []chat.Seq         // of my messages, ascending
	told      map[chat.User]*wire.Peer
}

// page is the answer to the question for history.
type page struct {
	items []wire.Entry
	err   error
}

// Chat lets a person talk in one conversation, or sends the lines of a pipe. It
// returns when the input has ended and everything is stored, or with what stood in
// the way.
func Chat(ctx context.Context, o Options) error {
	o.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan client.Event, eventsWait)
	o.Client.Flush = flushItems
	if o.Interactive {
		o.Client.Handler = func(ev client.Event) {
			select {
			case events <- ev:
			case <-ctx.Done():
			}
		}
	} else {
		o.Client.RecvDelay = -1 // nobody sees what comes
	}
	c, err := client.Start(context.WithoutCancel(ctx), o.Client)
	if err != nil {
		return err
	}
	u := &ui{
		Options: o, c: c, screen: screen{out: o.Out, me: o.Me, now: time.Now},
		titles: map[chat.ConvID]string{}, typedHere: map[chat.CMID]bool{}, told: map[chat.User]*wire.Peer{},
	}
	u.tally.report = func(_ *client.Sent, err error) { u.complain(err) }
	err = u.loop(ctx, events)
	cancel()
	c.Close()
	u.asking.Wait()
	return err
}

// loop serves the keyboard and the client until one of them ends.
func (u *ui) loop(ctx context.Context, events <-chan client.Event) error {
	typed := lines(ctx, u.In)
	pages := make(chan page, 1)
	for {
		select {
		case in := <-typed:
			quit, err := u.typed(ctx, in)
			if quit {
				return u.leave(ctx, events, err)
			}
		case ev := <-events:
			u.event(ctx, ev, pages)
		case p := <-pages:
			u.begin(p)
		case <-u.c.Done():
			return reason(u.c.Err())
		case <-ctx.Done():
			return u.tally.finish(ctx, 0)
		}
	}
}

// leave waits for the last outcomes, and shows what happens meanwhile.
func (u *ui) leave(ctx context.Context, events <-chan client.Event, err error) error {
	done := make(chan error, 1)
	go func() { done <- u.tally.finish(ctx, u.Answers) }()
	for {
		select {
		case ev := <-events:
			u.event(ctx, ev, nil)
		case failed := <-done:
			if ended := u.c.Err(); failed != nil && ended != nil {
				failed = errors.Join(failed, reason(ended))
			}
			return errors.Join(err, failed)
		}
	}
}

// typed takes a line; quit: it was the last.
func (u *ui) typed(ctx context.Context, in input) (quit bool, err error) {
	text := strings.TrimRight(in.line, "\r")
	switch {
	case errors.Is(in.err, io.EOF):
		return true, nil
	case in.err != nil:
		return true, in.err
	case strings.TrimSpace(text) == "":
		return false, nil
	case u.Interactive && text == "/quit":
		return true, nil
	case u.Interactive && strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//"):
		u.note("%s", help)
		return false, nil
	case u.Interactive && strings.HasPrefix(text, "//"):
		text = text[1:]
	}
	if err := u.send(ctx, client.Message{Text: text, CMID: client.NewCMID()}); err != nil {
		u.complain(err)
	}
	return false, nil
}

// send queues a message. From a pipe it waits for room; a person is told that there
// is none.
func (u *ui) send(ctx context.Context, m client.Message) error {
	send := func() (*client.Sent, error) {
		if u.To != "" {
			return u.c.SendTo(u.To, m)
		}
		return u.c.SendConv(u.Conv, m)
	}
	if !u.Interactive {
		return u.tally.submit(ctx, send)
	}
	u.screen.typed(m.Text)
	s, err := send()
	if err != nil {
		return err
	}
	u.typedHere[m.CMID] = true
	u.tally.add(s)
	if !u.live {
		u.note("… waits for the connection")
	}
	return nil
}

func (u *ui) complain(err error) {
	p := []byte("✗ not sent: " + clean(err.Error()) + "\n")
	_, _ = u.Err.Write(p) // there is nowhere else to say it
}

// event takes what the client tells.
func (u *ui) event(ctx context.Context, ev client.Event, pages chan page) {
	if !u.Interactive {
		return
	}
	switch ev := ev.(type) {
	case client.State:
		u.state(ctx, ev, pages)
	case client.Entry:
		switch {
		case ev.Conv != u.Conv:
			u.elsewhere(&ev)
		case !u.begun:
			u.early = append(u.early, ev)
			u.early = u.early[max(0, len(u.early)-flushItems):]
		default:
			u.show(&ev.Entry)
			u.c.MarkRead(u.Conv, u.shown)
		}
	case client.Outcome:
		if ev.Err == nil {
			u.Conv = ev.Ack.Conv // with To it was a guess until now
			u.mine(ev.Ack.Seq)
			u.note("✓ stored #%d", ev.Ack.Seq)
		}
	case client.Frame:
		u.frame(ev.Frame)
	}
}

func (u *ui) state(ctx context.Context, s client.State, pages chan page) {
	u.live = s.Phase == client.Live
	switch s.Phase {
	case client.Connecting:
		u.note("— connecting to %s", s.URL)
	case client.Syncing:
		u.note("— syncing")
	case client.Offline:
		u.note("— offline: %s; next try in %v", clean(s.Err.Error()), time.Until(s.Retry).Round(10*time.Millisecond))
	case client.Live:
		u.note("— live, as %s", u.c.User())
		if !u.asked && pages != nil {
			u.asked = true
			u.asking.Go(func() { u.ask(ctx, pages) })
		}
	}
}

// ask reads the latest part of the conversation. It ends with the client.
func (u *ui) ask(ctx context.Context, pages chan<- page) {
	before := chat.MaxSeq
	p, err := u.c.History(ctx, u.Conv, client.Span{Before: &before, Limit: historyItems})
	out := page{err: err}
	if err == nil {
		out.items = p.Items
	}
	pages <- out // it has room for the only one
}

// begin shows the history, and what came before it was there.
func (u *ui) begin(p page) {
	if u.begun {
		return
	}
	u.begun = true
	var ce *chat.Error
	switch {
	case errors.As(p.err, &ce) && ce.Code == chat.CodeNotFound && u.To != "":
		u.note("this is the beginning of your conversation with %s", u.To)
	case p.err != nil:
		u.note("the history cannot be shown: %s", clean(p.err.Error()))
	}
	all := p.items
	for _, e := range u.early {
		all = append(all, e.Entry)
	}
	u.early = nil
	slices.SortStableFunc(all, func(a, b wire.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	if len(all) > 0 && all[0].Seq > 1 {
		u.note("… %d earlier entries", all[0].Seq-1)
	}
	for i := range all {
		u.show(&all[i])
	}
	if u.shown > 0 {
		u.c.MarkRead(u.Conv, u.shown)
	}
}

// show puts an entry on the screen, once, unless it was typed here.
func (u *ui) show(e *wire.Entry) {
	if e.Seq <= u.shown {
		return
	}
	u.shown = e.Seq
	if e.From == u.Me {
		u.mine(e.Seq)
	}
	if e.From == u.Me && u.typedHere[e.CMID] {
		delete(u.typedHere, e.CMID)
		return
	}
	u.entry(e)
}

// mine notes the seq of one of my messages.
func (u *ui) mine(seq chat.Seq) {
	if i, found := slices.BinarySearch(u.own, seq); !found {
		u.own = slices.Insert(u.own, i, seq)
	}
}

// elsewhere tells of an entry of another conversation, which stays unread.
func (u *ui) elsewhere(e *client.Entry) {
	if !u.begun || !u.live || e.From == u.Me || e.Type != string(chat.KindMessage) {
		return
	}
	u.note("(%s, %s: %s)", clean(cmp.Or(u.titles[e.Conv], string(e.Conv))), e.From, textOf(&e.Entry))
}

func (u *ui) frame(f any) {
	switch f := f.(type) {
	case *wire.Conversation:
		if u.To != "" && f.Peer == u.To {
			u.Conv = f.Conv
		}
		u.titles[f.Conv] = cmp.Or(f.Title, "with "+string(f.Peer))
		if f.Conv == u.Conv {
			for _, p := range f.Peers {
				u.told[p.User] = &p
			}
		}
	case *wire.Receipt:
		if f.Conv == u.Conv && f.User != u.Me {
			u.receipt(f)
		}
	case *wire.Error:
		u.note("the server says: %s", clean(f.Message))
	case *wire.GoAway:
		u.note("— the gateway is being replaced; moving on in %v", time.Duration(f.ReconnectMS)*time.Millisecond)
	}
}

// receipt shows how far somebody is, where that covers another message of mine.
func (u *ui) receipt(r *wire.Receipt) {
	t := u.told[r.User]
	if t == nil {
		t = &wire.Peer{User: r.User}
		u.told[r.User] = t
	}
	read, delivered := latest(u.own, r.Read), latest(u.own, max(r.Delivered, r.Read))
	switch {
	case read > t.Read:
		u.note("✓✓ read by %s up to #%d", r.User, read)
	case delivered > max(t.Delivered, t.Read):
		u.note("✓✓ delivered to %s up to #%d", r.User, delivered)
	}
	t.Read, t.Delivered = max(t.Read, r.Read), max(t.Delivered, r.Delivered)
}
