// Package view is the read model: what one user sees of a conversation. The
// history service answers GET with it, and the gateway makes its conversation
// and page frames with it, so that both tell the same.
//
// It only reads, and reads only what is finished: no seq above the
// conversation's stored head is ever returned, because the effects of an entry
// above it may be missing still.
//
// Errors are a [*chat.Error] where the client is to blame or may not see
// something, and wrapped store errors otherwise; [chat.AsError] makes both fit
// for a client. Every method may block until its context ends, and every one
// reads a bounded amount whatever the history looks like.
package view

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Log is what the read model needs of [store.Log].
type Log interface {
	Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error)
	Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]store.Fold, error)
}

// Conversations is what the read model needs of [store.Conversations].
type Conversations interface {
	ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error)
	Members(ctx context.Context, key chat.Key, after chat.User, limit int) ([]chat.Member, error)
	MembersByUser(ctx context.Context, key chat.Key, users []chat.User) ([]chat.Member, error)
	Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error)
}

// Store is what the read model reads; a [store.Store] is one.
type Store interface {
	Log
	Conversations
	Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error)
	Jobs(ctx context.Context, q store.JobQuery) ([]store.Job, error)
}

// Bounds of what one request reads. Chunks keep memory flat: an entry may have
// 40 KiB.
const (
	entryChunk  = 200  // entries in one read of the log
	memberChunk = 500  // member or conversation documents in one read
	mostLook    = 1000 // entries that a correction or a search for messages looks at
	memberReads = 5    // reads for a part of the members' list; for all members, in multiples of limits.members
)

// Reader is the read model. It keeps no state and is safe for concurrent use.
type Reader struct {
	store  Store
	limits chat.Limits
	keep   int // hours; of conversations for which nobody has decided; 0: for ever
}

// New makes a Reader. Zero limits mean their defaults.
func New(s Store, limits chat.Limits) *Reader {
	return &Reader{store: s, limits: limits.WithDefaults()}
}

// Part is a user's part of a conversation: the entries from Start to End, both
// included. It is empty where Start > End.
type Part struct {
	Conversation chat.Conversation
	Member       chat.Member
	Start        chat.Seq // the first entry that the user may read
	End          chat.Seq // the last finished one; 0 where there is none
}

// Former reports whether the user has left. What a former member sees is frozen:
// the log up to End, and nothing that is not dated by a seq up to there.
func (p Part) Former() bool { return p.Member.Left != 0 }

// Direct reports whether the conversation is a direct one.
func (p Part) Direct() bool { return p.Conversation.Kind == chat.Direct }

// Passed reports whether seq lies in the part and before the user was added, for the
// last time: an entry there that ended an earlier membership ends nothing now. There is
// such a place in groups whose history is open only.
func (p Part) Passed(seq chat.Seq) bool { return seq >= p.Start && seq < p.Member.Joined }

// NewPart makes the part of m in c; ok is false where m sees nothing of c: a
// group whose first entry, or whose entry that adds m, is not finished.
//
// m must have been read after c: a member document is written before the head
// that shows the change, so in this order nobody sees what came after a removal.
func NewPart(c chat.Conversation, m chat.Member) (p Part, ok bool) {
	head := c.Last.Seq
	if c.Kind != chat.Direct && (head == 0 || m.Joined == 0 || m.Joined > head) {
		return Part{}, false
	}
	p = Part{Conversation: c, Member: m, Start: max(c.Floor, 1), End: head}
	if c.History != chat.HistoryAll {
		p.Start = max(p.Start, m.Joined)
	}
	if m.Left != 0 {
		p.End = min(p.End, m.Left)
	}
	if c.Closed != 0 {
		p.End = min(p.End, c.Closed)
	}
	return p, true
}

// Access reads a user's part of a conversation. A conversation that does not
// exist and one that the user never was a member of are the same not_found.
// It costs two reads.
func (r *Reader) Access(ctx context.Context, key chat.Key, user chat.User) (Part, error) {
	convs, err := r.store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return Part{}, fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) == 0 {
		return Part{}, errNotFound()
	}
	return r.accessTo(ctx, convs[0], user)
}

// accessTo reads the own member document, after the conversation's.
func (r *Reader) accessTo(ctx context.Context, c chat.Conversation, user chat.User) (Part, error) {
	members, err := r.store.MembersByUser(ctx, c.Key, []chat.User{user})
	if err != nil {
		return Part{}, fmt.Errorf("read member: %w", err)
	}
	if len(members) == 0 {
		return Part{}, errNotFound()
	}
	p, ok := NewPart(c, members[0])
	if !ok {
		return Part{}, errNotFound()
	}
	return p, nil
}

func errNotFound() *chat.Error {
	return chat.Errorf(chat.CodeNotFound, "no such conversation, or you are not in it")
}

// Delivered is how far a user is served: the furthest of its devices, where what
// was read counts as delivered.
func Delivered(m chat.Member) chat.Seq {
	d := m.Read
	for _, seq := range m.Recv {
		d = max(d, seq)
	}
	return d
}

// running is the running values at a part's end.
type running struct {
	count   int64
	members int
}

// atEnd reads the running values at a part's end. They are at hand in the
// conversation unless the part ended before it.
func (r *Reader) atEnd(ctx context.Context, p Part) (running, error) {
	switch last := p.Conversation.Last; p.End {
	case 0:
		return running{members: len(p.Conversation.Users)}, nil
	case last.Seq:
		return running{count: last.Count, members: last.Members}, nil
	}
	e, err := r.entry(ctx, p.Conversation.Key, p.End)
	return running{count: e.Count, members: e.Members}, err
}

// countBefore is the number of messages before a part, which must not be empty.
func (r *Reader) countBefore(ctx context.Context, p Part) (int64, error) {
	switch {
	case p.Start <= 1:
		return 0, nil
	case p.Start == p.Member.Joined:
		return p.Member.JoinedCount, nil
	}
	e, err := r.entry(ctx, p.Conversation.Key, p.Start)
	return countBeforeEntry(&e), err
}

// countBeforeEntry is the number of messages before an entry.
func countBeforeEntry(e *chat.Entry) int64 {
	if e.Kind == chat.KindMessage {
		return e.Count - 1
	}
	return e.Count
}

// entry reads one entry that must be there.
func (r *Reader) entry(ctx context.Context, key chat.Key, seq chat.Seq) (chat.Entry, error) {
	got, err := r.entries(ctx, key, seq, seq)
	if err != nil {
		return chat.Entry{}, err
	}
	return got[0], nil
}

// entries reads the entries from lo to hi, at most entryChunk of them. The log is
// dense and they are below its finished head, so one that is missing is an error:
// an answer with a hole would be believed.
func (r *Reader) entries(ctx context.Context, key chat.Key, lo, hi chat.Seq) ([]chat.Entry, error) {
	n := int(hi - lo + 1)
	got, err := r.store.Entries(ctx, key, store.Range{After: lo - 1, Before: hi + 1, Limit: n})
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	if len(got) != n || got[0].Seq != lo || got[n-1].Seq != hi {
		return nil, fmt.Errorf("read entries: %s has %d of the entries %d to %d", key.Conv, len(got), lo, hi)
	}
	return got, nil
}
