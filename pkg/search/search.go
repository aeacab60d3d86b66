// Package search is what finding a message by its text is made of: how a text
// becomes terms, how a question becomes terms and phrases, what a snippet shows,
// and the port to where the terms are kept. It has no state and reads no log: the
// history service feeds the index and answers with it.
//
// The index is derived from the log, off the way of a message, and can be made
// again at any time. It holds no text, only terms; what a searcher is shown is
// read from the log and judged again, so an index that is behind can hide a
// message for a moment, and never show one that is gone.
package search

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Version is the version of the terms: of everything that decides which terms a
// text has. An index of another version is not asked; a new one is built.
const Version = 1

// Bounds of one question to an index.
const (
	MostConvs = 1000 // conversations in a Filter
	MostTerms = 24   // terms in a Filter
	MostHits  = 1000 // hits in a Found
)

// Term is a term of a text, and how often it is in there.
type Term struct {
	Text string
	N    int
}

// Doc is what an index keeps of one message.
type Doc struct {
	chat.Key
	Seq chat.Seq
	// Rev is the entry whose text this is: the message's own seq, or that of its
	// latest edit.
	Rev chat.Seq
	// Gone says that the text was taken back: nothing of it is kept, for good,
	// whatever is applied before or after. The fields below are not used.
	Gone bool

	Time  time.Time // the message's own, whole milliseconds
	Terms []Term    // by text, each once; see [Terms]
	Len   int       // tokens of the text
}

// Place orders messages of several conversations: newest first, then by
// conversation, then by seq, higher first.
type Place struct {
	Time int64 // Unix milliseconds
	Conv chat.ConvID
	Seq  chat.Seq
}

// Compare is negative where a comes before b.
func (a Place) Compare(b Place) int {
	return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Conv, b.Conv), cmp.Compare(b.Seq, a.Seq))
}

// Next is the first place behind a.
func (a Place) Next() Place { return Place{a.Time, a.Conv, a.Seq - 1} }

// Scope is a part of a conversation: Start ≤ seq ≤ End. End 0: up to its end.
type Scope struct {
	Conv       chat.ConvID
	Start, End chat.Seq
}

// Has reports whether a seq is in the scope.
func (s Scope) Has(seq chat.Seq) bool { return s.Start <= seq && (s.End == 0 || seq <= s.End) }

// Filter selects messages that have all of some terms, in order of [Place].
type Filter struct {
	NS    chat.NS
	In    []Scope  // where to look: 1 to [MostConvs] conversations, each once
	Terms []string // 1 to [MostTerms], each once
	From  Place    // the first place to look at; zero: the newest
	// Since and Until bound the time, in Unix milliseconds: Since ≤ time < Until;
	// Until 0: no end.
	Since, Until int64
	Limit        int  // hits, 1 to [MostHits]
	Look         int  // about as many places of terms are looked at; at least one for each conversation is
	Weights      bool // fill Hit.Counts and Hit.Len
}

// Hit is a message that has the terms.
type Hit struct {
	Place
	Counts []int // of Filter.Terms, in their order
	Len    int
}

// Found is the answer to a [Filter].
type Found struct {
	Hits []Hit
	// Next is where to go on, if Limit or Look ended the answer: every hit before it
	// was given. Nil: there is no more. It may be the place of a message outside of
	// the scopes: nobody who may not know of it must see it.
	Next *Place
}

// Batch is what one step of indexing has found out.
type Batch struct {
	Docs []Doc // a message at most once
	// Marks says up to where conversations are indexed by this batch and those
	// before it.
	Marks map[chat.Key]chat.Seq
}

// Index is one generation of the index. Its methods may block until their context
// ends. An error of a write says nothing about the outcome: it can be repeated.
type Index interface {
	// Apply writes documents, and then marks. Both only move forward, so what is
	// applied may be repeated, late, concurrently and out of order: a document
	// replaces one with a smaller Rev, one that is Gone replaces all and stays, and a
	// mark replaces a smaller one.
	Apply(ctx context.Context, b Batch) error
	// Find finds messages by their terms.
	Find(ctx context.Context, f Filter) (Found, error)
	// Marks reads the marks of at most 500 conversations; missing ones are left out.
	Marks(ctx context.Context, keys []chat.Key) (map[chat.Key]chat.Seq, error)
}

// Generation names an index as a whole. A new one begins empty, and is built anew.
type Generation struct {
	Number  int64  // from 1 up, each for one generation
	Version int    // [Version]
	Epoch   string // of the data, see store.MetaInfo
}

// Progress is how far building an index has come, and where it goes on. Its owner
// is who leads.
type Progress struct {
	// Begun: the journals' positions were noted before the first sweep began.
	Begun bool
	// Journals says up to which document of each pod's journal everything is in the
	// index.
	Journals []Position
	// Rounds counts the sweeps over all conversations that have come to their end;
	// 0: the index is being built, and does not have everything yet.
	Rounds   int64
	Again    bool      // journals were lost: the next sweep begins at once
	Swept    time.Time // when the last one ended
	Sweeping bool
	Cursor   chat.Key // the sweep under way has dealt with conversations up to this one
	Seen     int64    // how many that are
	Messages int64    // documents written in this generation
}

// Position is a place in a pod's journal.
type Position struct {
	Pod    string
	Number uint64
}

// Lead is a lease on a generation: one at a time feeds it.
type Lead struct {
	Term     int64 // from 1 up, each for one leader
	Progress Progress
}

// ErrNotLeading is what [Store.Save] returns to who leads no more, and changes
// nothing then.
var ErrNotLeading = errors.New("somebody else leads")

// Store keeps generations. It is the port that pebblestore, mongostore and
// memstore implement, and searchtest has its contract as tests.
type Store interface {
	// Generation is the newest generation with a version and epoch. It makes one
	// where there is none, or where anew is set.
	Generation(ctx context.Context, version int, epoch string, anew bool) (Generation, error)
	// Index is the index of a generation. It does not block.
	Index(g Generation) Index
	// Lead makes owner the leader of a generation until lease has passed by the
	// store's clock, or renews that. ok is false while somebody else leads. The
	// Progress is the one that was saved last.
	Lead(ctx context.Context, g Generation, owner string, lease time.Duration) (l Lead, ok bool, err error)
	// Save writes a leader's progress down. It returns [ErrNotLeading] if another
	// has led since.
	Save(ctx context.Context, g Generation, l Lead) error
	// Progress reads what was saved last, for whoever wants to know.
	Progress(ctx context.Context, g Generation) (Progress, error)
	// DropOthers removes generations that nobody has led for a time, but for g, and
	// says how many.
	DropOthers(ctx context.Context, g Generation, idle time.Duration) (int, error)
}

// Conversations lists every conversation, for sweeps.
type Conversations interface {
	// ConversationsAfter reads conversations of all tenants, in an order of the
	// store's own, after the one given (zero: from the first), at most limit.
	ConversationsAfter(ctx context.Context, after chat.Key, limit int) ([]chat.Conversation, error)
}
