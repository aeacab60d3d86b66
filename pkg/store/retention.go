package store

import (
	"context"

	"github.com/parley-chat/parley/pkg/chat"
)

// MostBlanked bounds one [Retention] Blank.
const MostBlanked = 500

// Retention takes content away and leaves the log as it is: each entry keeps its
// place, id, sender, cmid and running values, so that a repeat of its cmid is still
// found and the numbers have no holes. All methods may be repeated.
type Retention interface {
	// RaiseFloor makes Conversation.Floor the given one where it is smaller, and
	// returns the one that is there now; ErrNotFound where there is no document. It
	// is called before anything below the floor is blanked. Where under is not nil
	// and Conversation.Keep is another one when the write is applied, the floor stays.
	RaiseFloor(ctx context.Context, key chat.Key, floor chat.Seq, under *chat.Keep) (chat.Seq, error)

	// SetKeep makes Conversation.Keep the given one where it is below it (see
	// [chat.Keep.Below]), and returns the one that is there now; ErrNotFound where there
	// is no document.
	SetKeep(ctx context.Context, key chat.Key, keep chat.Keep) (chat.Keep, error)

	// Blank takes away the bodies of some messages (entries of kind message, at most
	// [MostBlanked]; they must be finished), of the edit entries that target them and
	// of their Edited folds: Gone. The conversation's Preview loses its text if it shows one of them.
	// All of that is for good, whatever is finished after it: an edit that is finished
	// later is blanked by its Finish. Seqs that are not stored are left out.
	Blank(ctx context.Context, key chat.Key, messages []chat.Seq) error
}
