package store

import (
	"context"

	"github.com/parley-chat/parley/pkg/chat"
)

// What one user sets is kept in small documents that are replaced as a whole. Each
// carries a version, and the largest version stays whatever the order in which
// writes arrive: so a write that was given up, and is applied late, undoes nothing.
// Whoever changes a document reads it, writes it with a larger version, and sees by
// what comes back whether the write was overtaken.

// Blocks is who wants to hear nothing from whom.
type Blocks interface {
	// PutBlock keeps b, where nothing of a larger or the same version is kept for its
	// User and Peer, and returns what is kept after that. A block that is off stays
	// as a document, so that older writes find its version.
	PutBlock(ctx context.Context, ns chat.NS, b chat.Block) (chat.Block, error)
	// Blocks lists the blocks of a user that are on, in order of Peer after the one
	// given, at most limit (≥ 1).
	Blocks(ctx context.Context, ns chat.NS, user, after chat.User, limit int) ([]chat.Block, error)
	// BlocksAmong reads what is kept, on or off, of some pairs, at most 1,000; those
	// of which nothing is kept are left out. It is asked before every write into
	// direct conversations: one read, whatever the number of pairs, nearly all of
	// which have no document.
	BlocksAmong(ctx context.Context, pairs []Pair) (map[Pair]chat.Block, error)
}

// Pair names a block across tenants.
type Pair struct {
	NS         chat.NS
	User, Peer chat.User
}

// Settings is what users set for their conversations and for themselves.
type Settings interface {
	// Configure keeps s as the settings of a member, where those that are kept have a
	// smaller version, and returns the member after that. ErrNotFound: there is no
	// such member document; it is not made.
	Configure(ctx context.Context, key chat.Key, user chat.User, s chat.Settings) (chat.Member, error)
	// PutProfile keeps p, where what is kept has a smaller version, and returns what
	// is kept after that.
	PutProfile(ctx context.Context, ns chat.NS, user chat.User, p chat.Profile) (chat.Profile, error)
	// Profiles reads the profiles of some users, at most 500. Those who never set
	// anything are left out.
	Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error)
}
