package store

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// RevocationKind is what a [Revocation] is about.
type RevocationKind string

// The kinds. They are part of keys: none may contain a slash or a zero byte.
const (
	RevokedToken RevocationKind = "token" // one token; Name is its mark
	RevokedUser  RevocationKind = "user"  // the tokens of a user that were issued before Before
	RevokedBan   RevocationKind = "ban"   // all tokens of a user, those of the future included
)

// Revocation says of tokens that are good otherwise that they are not taken any
// more. It is a document that is replaced as a whole: the largest version stays,
// whatever the order in which writes arrive (see [Blocks]). One thing only grows: the end
// of a RevokedUser, see [Revocation.Join].
type Revocation struct {
	NS      chat.NS
	Kind    RevocationKind
	Name    string // a user id, or what stands for a token's id: [A-Za-z0-9_.@+-]{1,64}
	Version int64
	On      bool      // false: lifted
	Before  time.Time // of RevokedUser
	// Until is when it means nothing any more and may be removed; zero: never.
	Until time.Time
	// Changed is the store's time of the write. Reads set it, writes ignore it.
	Changed time.Time
}

// Join is what is kept where r comes to what was kept before: r if its version is larger,
// else old. Of a RevokedUser the later Until stays, whoever has it: those tokens of an
// earlier one that live longer must not come back with a later one that ends sooner. So it
// does not matter in which order they come, nor how often. Of the other kinds what has the
// version has the end: a token's version is its end, and of bans the later request counts.
func (r Revocation) Join(old Revocation) Revocation {
	kept := r
	if old.Version >= r.Version {
		kept = old
	}
	if kept.Kind == RevokedUser && old.Version != 0 {
		kept.Until = LaterEnd(r.Until, old.Until)
	}
	return kept
}

// LaterEnd is the later of two ends; zero, which is never, is the latest.
func LaterEnd(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && a.After(b) {
		return a
	}
	return b
}

// Revocations is which tokens are not taken any more. There are few: every pod
// holds all of them, and asks for what has changed every few seconds.
type Revocations interface {
	// PutRevocation joins r to what is kept for its NS, Kind and Name (see
	// [Revocation.Join]), and returns what is kept after that. Versions are above 0.
	PutRevocation(ctx context.Context, r Revocation) (Revocation, error)
	// Revocations reads what was changed at a time or later, by the store's clock;
	// the zero time: everything. Order open. A write that takes long may show a time
	// before that of a read that missed it: readers look back by more than any write
	// takes. It is asked all the time, and costs little where nothing is found.
	Revocations(ctx context.Context, since time.Time) ([]Revocation, error)
	// DropRevocations removes those whose Until is before a time.
	DropRevocations(ctx context.Context, ended time.Time) error
}
