// Package searcher answers searches: full text in the conversations of one user.
//
// The index says which messages have the words. What is shown is then read from
// the log, as every other reader gets it, and judged again: it must be in the
// user's part of the conversation, not be gone, and match as it is now. So an index
// that is behind hides a message for a moment, and never shows what nobody may see.
//
// What one request costs is bounded, see the constants. What the bounds leave out
// is told: by the cursor of the next part, or by exact being false.
package searcher

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// Bounds of one request.
const (
	mostConvs   = search.MostConvs // conversations, the newest first
	mostLook    = 50_000           // places of words in the index
	mostRead    = 400              // messages read from the log
	mostRanked  = search.MostHits  // messages that "best" chooses from: the newest
	mostRounds  = 8                // questions to the index
	parallel    = 8                // conversations read at a time
	firstLimit  = 20               // items, where none is asked for
	maxHitLimit = 100              // items
)

// MaxLimit is the most items of a part.
const MaxLimit = maxHitLimit

// Sort is the order of what is found.
type Sort string

// The orders.
const (
	Newest Sort = "newest"
	Best   Sort = "best"
)

// Query is what is looked for. Only Text is required.
type Query struct {
	Text   string
	Conv   chat.ConvID // in one conversation
	From   chat.User   // by one sender
	After  time.Time   // at this time or later
	Before time.Time   // before this time
	Sort   Sort        // default: Newest
	Cursor string      // Next of the part before
	Limit  int         // default 20, at most [MaxLimit]
}

// Reader is what the searcher needs of the read model; a [view.Reader] is one.
type Reader interface {
	Access(ctx context.Context, key chat.Key, user chat.User) (view.Part, error)
	Parts(ctx context.Context, ns chat.NS, user chat.User, most int) (parts []view.Part, all bool, err error)
	At(ctx context.Context, p view.Part, seqs []chat.Seq) ([]wire.Message, error)
}

// Present is the index as it is now.
type Present struct {
	Index  search.Index
	Built  bool   // it has everything that is not being indexed just now
	Secret string // the same in all replicas, and unknown to users; seals cursors
}

// Searcher answers searches. It keeps no state and is safe for concurrent use.
type Searcher struct {
	view    Reader
	present func(context.Context) (Present, error)
}

// New makes a Searcher.
func New(r Reader, present func(context.Context) (Present, error)) *Searcher {
	return &Searcher{view: r, present: present}
}

// request is one search at work.
type request struct {
	*Searcher
	index  search.Index
	query  search.Query
	filter search.Filter
	limit  int
	parts  map[chat.ConvID]view.Part
	exact  bool
	seal   seal
	read   int // messages read so far
}

// Search finds messages. Its errors are those of package view; a conversation
// that the user is not in is not_found.
func (s *Searcher) Search(ctx context.Context, ns chat.NS, user chat.User, q Query) (wire.SearchList, error) {
	r, err := s.prepare(ctx, ns, user, q)
	if err != nil {
		return wire.SearchList{}, err
	}
	from, err := r.seal.parse(q.Cursor)
	if err != nil {
		return wire.SearchList{}, err
	}
	list := wire.SearchList{Items: []wire.SearchHit{}, Exact: r.exact}
	if len(r.parts) == 0 || r.filter.Until != 0 && r.filter.Since >= r.filter.Until {
		return list, nil
	}
	find := r.newest
	if q.Sort == Best {
		find = r.best
	}
	next, err := find(ctx, from, &list)
	if err != nil {
		return wire.SearchList{}, err
	}
	if next != nil {
		list.Next = r.seal.format(*next)
	}
	return list, nil
}

// prepare checks a query, and finds out where to look.
func (s *Searcher) prepare(ctx context.Context, ns chat.NS, user chat.User, q Query) (*request, error) {
	r := &request{Searcher: s, limit: q.Limit, parts: map[chat.ConvID]view.Part{}}
	var err error
	if r.query, err = search.ParseQuery(q.Text); err != nil {
		return nil, err
	}
	switch {
	case q.Sort != "" && q.Sort != Newest && q.Sort != Best:
		return nil, chat.Errorf(chat.CodeBadRequest, `"sort" must be "newest" or "best"`)
	case q.From != "" && !q.From.Valid():
		return nil, chat.Errorf(chat.CodeBadRequest, `"from" is no user id`)
	case q.Limit < 0 || q.Limit > maxHitLimit:
		return nil, chat.Errorf(chat.CodeBadRequest, `"limit" must be 1 to %d`, maxHitLimit)
	case q.Limit == 0:
		r.limit = firstLimit
	}
	r.filter = search.Filter{NS: ns, Terms: r.query.Terms(), Look: mostLook}
	if q.From != "" {
		r.filter.Terms = append(r.filter.Terms, search.FromTerm(q.From))
	}
	if !q.After.IsZero() {
		r.filter.Since = max(ceilMillis(q.After), 0)
	}
	if !q.Before.IsZero() {
		if r.filter.Until = ceilMillis(q.Before); r.filter.Until <= 0 {
			r.filter.Since, r.filter.Until = 1, 1 // nothing is that old
		}
	}
	parts, all, err := s.where(ctx, ns, user, q.Conv)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		r.parts[p.Conversation.Conv] = p
		in := search.Scope{Conv: p.Conversation.Conv, Start: p.Start}
		if p.Former() || p.Conversation.Closed != 0 {
			in.End = p.End
		}
		r.filter.In = append(r.filter.In, in)
	}
	present, err := s.present(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the index: %w", err)
	}
	r.index, r.exact = present.Index, all && present.Built
	r.seal, err = newSeal(present.Secret, string(ns), string(user), q.Text, string(q.Conv), string(q.From),
		fmt.Sprint(r.filter.Since, r.filter.Until, q.Sort == Best))
	return r, err
}

// ceilMillis is the first whole millisecond that is not before t.
func ceilMillis(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

func (s *Searcher) where(ctx context.Context, ns chat.NS, user chat.User, conv chat.ConvID) (parts []view.Part, all bool, err error) {
	if conv == "" {
		return s.view.Parts(ctx, ns, user, mostConvs)
	}
	p, err := s.view.Access(ctx, chat.Key{NS: ns, Conv: conv}, user)
	if err != nil {
		return nil, false, err
	}
	if p.Start > p.End {
		return nil, true, nil
	}
	return []view.Part{p}, true, nil
}
