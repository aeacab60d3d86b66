package chat

import "time"

// Settings is what a user has set for one conversation. Nobody else sees it.
type Settings struct {
	// Version orders the writes of one member's settings: the largest stays. 0:
	// nothing was ever set.
	Version                 int64
	Muted, Pinned, Archived bool
}

// Profile is what a user has set for all conversations.
type Profile struct {
	Version int64 // as in [Settings]
	// HideRead keeps the user's read positions from others, and those of others
	// from the user.
	HideRead bool
}

// Block says whether a user wants to hear nothing more from a peer in their
// direct conversation.
type Block struct {
	User, Peer User
	Version    int64 // as in [Settings]
	On         bool
	Time       time.Time // of the last change; whole milliseconds
}

// MaxBlocks is how many users one user may block at a time. It is looked at before
// a block is written, so that several at the same moment may pass it by a few.
const MaxBlocks = 1000
