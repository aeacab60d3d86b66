package view

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Trace says how far a message has come, to its sender, to the service that wrote
// it, and to operators; to everybody else it is not_found. A sender who is no member
// any more is not told of those who are. Who has it when is listed for at most
// limits.receipt_members others. It costs one read of the
// conversation, of the entry and of the own member each, and what a page of
// messages costs for the members.
func (r *Reader) Trace(ctx context.Context, ns chat.NS, user chat.User, operator bool, id string) (wire.Trace, error) {
	notFound := chat.Errorf(chat.CodeNotFound, "no such message, or it is not yours")
	conv, seq, ok := chat.ParseEntryID(id)
	if !ok {
		return wire.Trace{}, notFound
	}
	key := chat.Key{NS: ns, Conv: conv}
	convs, err := r.store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return wire.Trace{}, fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) == 0 || seq > convs[0].Last.Seq {
		return wire.Trace{}, notFound
	}
	e, err := r.entry(ctx, key, seq)
	if err != nil {
		return wire.Trace{}, err
	}
	service := e.Via != "" && e.Via == string(user)
	if e.Kind != chat.KindMessage || !operator && !service && e.From != user {
		return wire.Trace{}, notFound
	}
	t := wire.Trace{ID: id, Conv: conv, Seq: seq, From: e.From, Via: e.Via, Gone: e.Gone,
		Stored: wire.Time{Time: e.Time}, Announced: true, State: wire.StateStored}
	p := Part{Conversation: convs[0], Start: 1, End: convs[0].Last.Seq}
	p.Member.User = user
	if !operator && !service {
		if p, err = r.accessTo(ctx, convs[0], user); err != nil {
			return wire.Trace{}, err
		}
		if p.Former() {
			return t, nil
		}
	}
	a, err := r.audience(ctx, p)
	if err != nil {
		return wire.Trace{}, err
	}
	for _, m := range a.members {
		if m.user != e.From && (a.all || m.joined <= seq) {
			t.Others++
			t.Receipts = append(t.Receipts, traced(m, seq))
		}
	}
	if t.Others > r.limits.ReceiptMembers {
		t.Receipts = nil
	}
	t.State, t.Delivered, t.Read = a.state(seq, e.From)
	return t, nil
}

// traced is when one of the others got and read a message, as far as that is known: of
// a position it is kept when it was reached first, so what lies before it was reached
// no later.
func traced(m mark, seq chat.Seq) wire.TraceReceipt {
	t := wire.TraceReceipt{User: m.user, Delivered: m.delivered >= seq, Read: m.read >= seq}
	fill := func(r chat.Reached, at, before *wire.Time) {
		switch {
		case r.Seq == seq:
			*at = wire.Time{Time: r.Time}
		case r.Seq > seq:
			*before = wire.Time{Time: r.Time}
		}
	}
	fill(m.recvAt, &t.DeliveredAt, &t.DeliveredBefore)
	fill(m.readAt, &t.ReadAt, &t.ReadBefore)
	if m.recvAt.Seq < seq && m.readAt.Seq >= seq {
		t.DeliveredBefore = wire.Time{Time: m.readAt.Time} // what was read had arrived
	}
	return t
}
