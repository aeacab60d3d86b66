package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/route"
	"github.com/parley-chat/parley/services/gateway/internal/session"
)

const (
	memberPage = 500       // documents in one read
	entryPage  = 100       // entries in one read: 4 MB at the worst
	touchEvery = time.Hour // how exact a device's last visit is
)

// feed is what one session is fed from: the store, behind the pod's bound on
// reads. It implements [session.Feed].
type feed struct {
	g     *Gateway
	s     *session.Session
	id    *session.Identity
	hello *wire.Hello
	epoch string
	known bool // the device has been here before; owned by the syncer
}

// usedUp is the hello of a feed that has started: its cursors do not count any more.
var usedUp wire.Hello

// read does one read of the store when it is its turn.
func (f *feed) read(ctx context.Context, do func(ctx context.Context) error) error {
	return f.g.reads.do(ctx, do)
}

// Start implements [session.Feed]. What fails half-way leaves nothing attached: there
// may be no other try.
func (f *feed) Start(ctx context.Context) (_ []session.Stream, err error) {
	seen, err := f.findDevice(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.findProfile(ctx); err != nil {
		return nil, err
	}
	members, err := f.memberships(ctx)
	if err != nil {
		return nil, err
	}
	members = slices.DeleteFunc(members, f.over)
	subs := make(map[chat.Key]*route.Sub, len(members))
	defer func() {
		if err != nil {
			for _, sub := range subs {
				sub.Detach()
			}
		}
	}()
	for _, m := range members { // attach first, read the heads then
		subs[m.Key] = f.g.table.Attach(m.Key, f.s)
	}
	streams, err := f.streams(ctx, members, subs)
	if err != nil {
		return nil, err
	}
	if err := f.writeDevice(ctx, members, streams, seen); err != nil {
		return nil, err
	}
	f.known = true
	f.hello = &usedUp
	return streams, nil
}

// findDevice finds out whether the device is known, and when it was last seen. A
// new one may push out the one that was seen longest ago.
func (f *feed) findDevice(ctx context.Context) (seen time.Time, err error) {
	err = f.read(ctx, func(ctx context.Context) error {
		devices, err := f.g.opts.Store.Devices(ctx, f.id.NS, f.id.User)
		if err != nil {
			return fmt.Errorf("read devices: %w", err)
		}
		slices.SortFunc(devices, func(a, b store.DeviceInfo) int { return a.Seen.Compare(b.Seen) })
		for i, d := range devices {
			expired := time.Since(d.Seen) > chat.DeviceLife
			if d.Device == f.id.Device && !expired {
				f.known, seen = true, d.Seen
				continue
			}
			if expired || !f.known && i <= len(devices)-f.g.opts.Limits.Devices && !has(devices, f.id.Device) {
				if err := f.g.opts.Store.DropDevice(ctx, f.id.NS, f.id.User, d.Device); err != nil {
					return fmt.Errorf("drop device: %w", err)
				}
			}
		}
		return nil
	})
	return seen, err
}

func has(devices []store.DeviceInfo, d chat.Device) bool {
	return slices.ContainsFunc(devices, func(x store.DeviceInfo) bool { return x.Device == d })
}

func (f *feed) memberships(ctx context.Context) ([]chat.Member, error) {
	var all []chat.Member
	for after := chat.ConvID(""); ; {
		var page []chat.Member
		err := f.read(ctx, func(ctx context.Context) (err error) {
			page, err = f.g.opts.Store.Memberships(ctx, f.id.NS, f.id.User, after, memberPage)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read memberships: %w", err)
		}
		all = append(all, page...)
		if len(page) < memberPage {
			return all, nil
		}
		after = page[len(page)-1].Conv
	}
}

// over reports whether the user has left and the device has all of what there was.
func (f *feed) over(m chat.Member) bool {
	cursor, ok := m.Recv[f.id.Device]
	if !ok && !f.known {
		cursor = m.Read
	}
	cursor = max(cursor, -cursor) // also where the device was to begin
	if own, ok := f.resume(m.Conv); ok {
		cursor = own
	}
	return m.Left != 0 && cursor >= m.Left
}

// resume is the client's own cursor, if it counts.
func (f *feed) resume(conv chat.ConvID) (chat.Seq, bool) {
	if f.hello.Resume == nil || f.hello.Resume.Epoch != f.epoch {
		return 0, false
	}
	seq, ok := f.hello.Resume.Cursors[conv]
	return seq, ok
}

// streams reads how far each conversation is, and finds the device's place in it.
// The latest conversations come first.
func (f *feed) streams(ctx context.Context, members []chat.Member, subs map[chat.Key]*route.Sub) ([]session.Stream, error) {
	type dated struct {
		session.Stream
		last time.Time
	}
	var list []dated
	for chunk := range slices.Chunk(members, memberPage) {
		keys := make([]chat.Key, len(chunk))
		for i, m := range chunk {
			keys[i] = m.Key
		}
		var convs []chat.Conversation
		err := f.read(ctx, func(ctx context.Context) (err error) {
			convs, err = f.g.opts.Store.ConversationsByKey(ctx, keys)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read conversations: %w", err)
		}
		byKey := make(map[chat.Key]chat.Conversation, len(convs))
		for _, c := range convs {
			byKey[c.Key] = c
		}
		fresh, err := f.again(ctx, chunk, byKey)
		if err != nil {
			return nil, err
		}
		for _, m := range chunk {
			c := byKey[m.Key] // zero where it is being made
			n, ok := fresh[m.Key]
			if !ok {
				n = m
			}
			st, sees := f.place(c, n, subs[m.Key])
			if !sees {
				f.later(m.Key, subs[m.Key], c.Last.Seq)
				continue
			}
			if !ok && c.Last.MV > m.AsOf {
				st.Part = nil // m may be older than a removal that c shows
			}
			list = append(list, dated{st, c.Last.Time})
		}
	}
	slices.SortStableFunc(list, func(a, b dated) int { return cmp.Compare(b.last.UnixMilli(), a.last.UnixMilli()) })
	streams := make([]session.Stream, len(list))
	for i := range list {
		streams[i] = list[i].Stream
	}
	return streams, nil
}

// again reads a chunk of memberships again where one of them may have changed
// since: they were read before the conversations, and see [view.NewPart]. It costs
// one read; what that does not reach is read by itself when it is flushed.
func (f *feed) again(ctx context.Context, chunk []chat.Member, convs map[chat.Key]chat.Conversation) (map[chat.Key]chat.Member, error) {
	if !slices.ContainsFunc(chunk, func(m chat.Member) bool { return convs[m.Key].Last.MV > m.AsOf }) {
		return nil, nil
	}
	fresh := make(map[chat.Key]chat.Member, len(chunk))
	first := chunk[0].Conv
	err := f.read(ctx, func(ctx context.Context) error {
		list, err := f.g.opts.Store.Memberships(ctx, f.id.NS, f.id.User, first[:len(first)-1], memberPage)
		for _, m := range list {
			fresh[m.Key] = m
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read memberships again: %w", err)
	}
	return fresh, nil
}

// place finds where the device is in one conversation: the client's own cursor if
// it brought one that can be continued, else the server's.
func (f *feed) place(c chat.Conversation, m chat.Member, sub *route.Sub) (st session.Stream, sees bool) {
	st = session.Stream{Key: m.Key, Sub: sub, Muted: m.Role == chat.RoleMuted}
	p, ok := view.NewPart(c, m)
	if !ok {
		return st, false
	}
	sub.SetMembers(c.Last.Members)
	cursor, jump := f.serverCursor(p)
	st.Cursor = cursor
	reset := f.hello.Resume != nil && f.hello.Resume.Epoch != f.epoch && cursor >= p.Start
	if own, ok := f.resume(m.Conv); ok {
		switch {
		case own > p.End: // another life of this log
			reset = true
		case own < p.Start-1: // retention, or joined anew
			st.Cursor, reset = p.Start-1, true
		default:
			st.Cursor, reset, jump = own, false, false
		}
	}
	if most := chat.Seq(f.hello.Flush); most > 0 && p.End-st.Cursor > most {
		st.Cursor, reset = p.End-most, true
	}
	if reset || jump {
		st.Reset = f.reset(p, st.Cursor)
	}
	// A jump alone contradicts nothing that the device has: it waits for the next
	// entry. So a new device costs no read and no frame for each conversation.
	st.Behind = reset || p.End > st.Cursor
	if st.Behind {
		st.Part = &p
	}
	return st, true
}

// later leaves out a conversation to which the user is being added: the entry that says
// so is not below the head yet, and only it tells where the user's part begins. The
// session discovers it when that is announced, or now, if it was since it was attached.
func (f *feed) later(key chat.Key, sub *route.Sub, head chat.Seq) {
	sub.Detach()
	if sub.Known() > head {
		f.s.Discover(key)
	}
}

// reset announces that a stream goes on, or begins, after a cursor.
func (f *feed) reset(p view.Part, cursor chat.Seq) []byte {
	return wire.Encode(&wire.Reset{Type: "reset", Conv: p.Conversation.Conv, Epoch: f.epoch,
		Floor: p.Conversation.Floor, Next: cursor + 1})
}

// serverCursor is the server's own idea of where the device is. A new device
// starts at the user's read position. jump says that the stream does not go on
// where the device must think that it stands: it is new, or has said nothing here yet,
// and does not begin at the beginning, or the user's part of the log has begun anew since.
func (f *feed) serverCursor(p view.Part) (cursor chat.Seq, jump bool) {
	begin := p.Start - 1
	recv, ok := p.Member.Recv[f.id.Device]
	switch {
	case ok && recv < 0:
		cursor = max(-recv, begin)
		jump = cursor > begin
	case ok:
		cursor, jump = max(recv, begin), recv < begin
	case !f.known:
		cursor = max(p.Member.Read, begin)
		jump = cursor > begin
	default:
		cursor = begin
	}
	return min(cursor, max(p.End, begin)), jump
}

// writeDevice writes down that the device was here. For a new one the place where
// it starts is written first, in every conversation: it must not depend on where
// the user has read to by the next visit. It is marked as a place that the device does
// not know of: until the device says recv, its first entry there is announced.
func (f *feed) writeDevice(ctx context.Context, members []chat.Member, streams []session.Stream, seen time.Time) error {
	if f.known && time.Since(seen) < touchEvery {
		return nil
	}
	if !f.known {
		cursors := make(map[chat.Key]chat.Seq, len(streams))
		for _, st := range streams {
			cursors[st.Key] = st.Cursor
		}
		var moves []store.Move
		for _, m := range members {
			if start := min(m.Read, cursors[m.Key]); start > 0 {
				if _, own := f.resume(m.Conv); !own {
					start = -start // it has yet to be told
				}
				moves = append(moves, store.Move{Key: m.Key, User: m.User, Device: f.id.Device, Recv: start})
			}
		}
		for chunk := range slices.Chunk(moves, memberPage) {
			err := f.read(ctx, func(ctx context.Context) error {
				_, err := f.g.opts.Store.Advance(ctx, chunk)
				return err
			})
			if err != nil {
				return fmt.Errorf("place new device: %w", err)
			}
		}
	}
	return f.read(ctx, func(ctx context.Context) error {
		info := store.DeviceInfo{Device: f.id.Device, Seen: time.Now()}
		if err := f.g.opts.Store.TouchDevice(ctx, f.id.NS, f.id.User, info); err != nil {
			return fmt.Errorf("touch device: %w", err)
		}
		return nil
	})
}

// Attach implements [session.Feed].
func (f *feed) Attach(ctx context.Context, key chat.Key) (session.Stream, error) {
	sub := f.g.table.Attach(key, f.s)
	known := sub.Known()
	part, err := f.Access(ctx, key)
	if err != nil {
		sub.Detach()
		if refusal := (*chat.Error)(nil); errors.As(err, &refusal) && sub.Known() > known {
			err = fmt.Errorf("what was announced meanwhile may change it: %w", chat.Unavailable(refusal.Message)) // again
		}
		return session.Stream{}, err
	}
	sub.SetMembers(part.Conversation.Last.Members)
	st := session.Stream{Key: key, Sub: sub, Behind: true, Part: &part, Muted: part.Member.Role == chat.RoleMuted}
	cursor, jump := f.serverCursor(part)
	st.Cursor, st.Anew = cursor, func(after chat.Seq) []byte { return f.reset(part, after) }
	if jump {
		st.Reset = st.Anew(cursor)
	}
	return st, nil
}

// Access implements [session.Feed].
func (f *feed) Access(ctx context.Context, key chat.Key) (p view.Part, err error) {
	err = f.read(ctx, func(ctx context.Context) error {
		p, err = f.g.view.Access(ctx, key, f.id.User)
		return err
	})
	return p, err
}

// Describe implements [session.Feed]. Each part has its own turn, and then all
// together one for what is hidden.
func (f *feed) Describe(ctx context.Context, parts []view.Part) ([][]byte, error) {
	drafts := make([]view.Draft, len(parts))
	for i, p := range parts {
		err := f.read(ctx, func(ctx context.Context) (err error) {
			drafts[i], err = f.g.view.Draft(ctx, p)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	frames := make([][]byte, len(parts))
	err := f.read(ctx, func(ctx context.Context) error {
		list, err := f.g.view.Finish(ctx, drafts)
		for i := range list {
			list[i].Type = "conversation"
			frames[i] = wire.Encode(&list[i])
		}
		return err
	})
	return frames, err
}

// Entries implements [session.Feed].
func (f *feed) Entries(ctx context.Context, key chat.Key, after, upTo chat.Seq) (list []chat.Entry, err error) {
	err = f.read(ctx, func(ctx context.Context) error {
		list, err = f.g.opts.Store.Entries(ctx, key, store.Range{After: after, Before: upTo + 1, Limit: entryPage})
		return err
	})
	return list, err
}

// page is the answer to a history frame. It fits into one frame.
func (g *Gateway) page(ctx context.Context, ns chat.NS, user chat.User, h *wire.History) (wire.Page[wire.Entry], error) {
	key := chat.Key{NS: ns, Conv: h.Conv}
	part, err := g.view.Access(ctx, key, user)
	if err != nil {
		return wire.Page[wire.Entry]{}, err
	}
	limit := 50
	if h.Limit != nil {
		limit = *h.Limit
	}
	return g.view.Entries(ctx, part, view.Query{Before: h.Before, After: h.After, Around: h.Around,
		Limit: limit, MaxBytes: g.opts.Limits.Frame})
}
