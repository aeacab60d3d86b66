package view

import (
	"context"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// DefaultLimit is the number of items of a page whose query names none.
const DefaultLimit = 50

// DefaultPageBytes is the size of a page whose query names none.
const DefaultPageBytes = 1 << 20

// pageOverhead is kept free for what a page has beside its items, a ref included.
const pageOverhead = 1 << 10

// Query says which page is meant. At most one of Before, After and Around is
// set; none means the latest items. A position outside the user's part is
// taken to its border.
type Query struct {
	Before *chat.Seq // exclusive: the page that ends before it
	After  *chat.Seq // exclusive: the page that begins after it
	Around *chat.Seq // inclusive: half of the page before it, half from it on
	Limit  int       // most items; default 50, at most limits.page
	// MaxBytes bounds the encoded page, as JSON with type and ref; default 1 MiB. A
	// page has at least one item if there is one, however large.
	MaxBytes int
}

// anchor is where a page begins to grow, and which ways.
type anchor struct {
	at           chat.Seq // items below go before it, at and above after it
	below, above int      // most items on either side
}

// anchor checks a query and finds its place in a part.
func (q *Query) anchor(p Part, lim chat.Limits) (a anchor, err error) {
	given := 0
	for _, s := range []*chat.Seq{q.Before, q.After, q.Around} {
		if s == nil {
			continue
		}
		given++
		if *s < 0 || *s > chat.MaxSeq {
			return a, chat.Errorf(chat.CodeBadRequest, `"before", "after" or "around" is out of range`)
		}
	}
	if given > 1 {
		return a, chat.Errorf(chat.CodeBadRequest, `only one of "before", "after" and "around" may be given`)
	}
	if q.Limit < 0 || q.Limit > lim.Page {
		return a, chat.Errorf(chat.CodeBadRequest, `"limit" must be 1 to %d`, lim.Page)
	}
	if q.Limit == 0 {
		q.Limit = min(DefaultLimit, lim.Page)
	}
	if q.MaxBytes == 0 {
		q.MaxBytes = DefaultPageBytes
	}
	switch {
	case q.After != nil:
		a = anchor{at: *q.After + 1, above: q.Limit}
	case q.Before != nil:
		a = anchor{at: *q.Before, below: q.Limit}
	case q.Around != nil:
		a = anchor{at: min(*q.Around, max(p.End, p.Start)), below: q.Limit / 2, above: q.Limit - q.Limit/2}
	default:
		a = anchor{at: p.End + 1, below: q.Limit}
	}
	a.at = min(max(a.at, p.Start), p.End+1)
	return a, nil
}

// Entries reads a page of the raw log: bodies as first stored, or gone.
func (r *Reader) Entries(ctx context.Context, p Part, q Query) (wire.Page[wire.Entry], error) {
	page := newPage[wire.Entry](p)
	a, err := q.anchor(p, r.limits)
	if err != nil || p.Start > p.End {
		return page, err
	}
	every := func(*chat.Entry) bool { return true }
	below, err := r.gather(ctx, p, gathering{from: a.at - 1, down: true, limit: a.below, bytes: q.MaxBytes, want: every})
	if err != nil {
		return page, err
	}
	above, err := r.gather(ctx, p, gathering{from: a.at, limit: a.above, bytes: q.MaxBytes, want: every})
	if err != nil {
		return page, err
	}
	entries := append(below.found, above.found...)
	var scratch []byte
	lo, hi := cut(len(entries), len(below.found), q.MaxBytes, func(i int) int {
		scratch = wire.AppendEntry(scratch[:0], &entries[i])
		return len(scratch)
	})
	for i := lo; i < hi; i++ {
		page.Items = append(page.Items, wire.NewEntry(&entries[i]))
	}
	// An empty page has all of the part on one side of its anchor.
	page.MoreBefore, page.MoreAfter = a.at > p.Start, a.at <= p.End
	if lo < hi {
		page.MoreBefore, page.MoreAfter = entries[lo].Seq > p.Start, entries[hi-1].Seq < p.End
	}
	return page, nil
}

func newPage[T any](p Part) wire.Page[T] {
	return wire.Page[T]{Conv: p.Conversation.Conv, Items: []T{}, Head: p.End, Floor: p.Conversation.Floor}
}

// gathering is a walk through a part in one direction that collects entries.
type gathering struct {
	from  chat.Seq // first entry to look at
	down  bool     // towards smaller seqs
	limit int      // most entries to collect
	bytes int      // no more are collected once their bodies have this size
	look  int      // no more are looked at than about this many; 0: no bound
	want  func(*chat.Entry) bool
	done  func(*chat.Entry) bool // nothing wanted follows this entry; may be nil
}

// gathered is what a walk has found.
type gathered struct {
	found []chat.Entry // ascending
	last  chat.Entry   // the last one that was looked at, if any
	more  bool         // stopped by look: there may be more wanted ones beyond last
}

// gather walks and collects. The entries that it finds follow on one another: it
// leaves out no wanted one between them.
func (r *Reader) gather(ctx context.Context, p Part, g gathering) (res gathered, err error) {
	looked, size := 0, 0
	for next := g.from; len(res.found) < g.limit && p.Start <= next && next <= p.End; {
		if g.look > 0 && looked >= g.look {
			res.more = true
			break
		}
		step := g.step(len(res.found), looked)
		lo, hi := next, min(next+step-1, p.End)
		if g.down {
			lo, hi = max(next-step+1, p.Start), next
		}
		entries, err := r.entries(ctx, p.Conversation.Key, lo, hi)
		if err != nil {
			return gathered{}, err
		}
		looked += len(entries)
		next = hi + 1
		if g.down {
			next = lo - 1
			slices.Reverse(entries)
		}
		if g.take(&res, entries, &size) {
			break
		}
	}
	if g.down {
		slices.Reverse(res.found)
	}
	return res, nil
}

// step is how many entries the next read takes.
func (g *gathering) step(found, looked int) chat.Seq {
	switch {
	case g.look == 0: // every entry is wanted
		return chat.Seq(min(g.limit-found, entryChunk))
	case looked == 0: // in most conversations most entries are
		return chat.Seq(min(g.limit+g.limit/2+8, entryChunk))
	}
	return entryChunk
}

// take collects from entries, which are in the order of the walk, and reports
// whether the walk is over.
func (g *gathering) take(res *gathered, entries []chat.Entry, size *int) (over bool) {
	for i := range entries {
		e := &entries[i]
		res.last = *e
		if g.want(e) {
			res.found = append(res.found, *e)
			*size += len(e.Body)
		}
		if len(res.found) >= g.limit || *size >= g.bytes || g.done != nil && g.done(e) {
			return true
		}
	}
	return false
}

// cut finds the items lo ≤ i < hi of n that fit into a page, growing from the
// item at start to both sides by turns: so a page that begins somewhere is cut at
// its end, one that ends somewhere at its beginning, and one around something
// keeps the middle. The first item always fits.
func cut(n, start, most int, size func(int) int) (lo, hi int) {
	left := most - pageOverhead
	lo, hi = start, start
	fits := func(i int) bool {
		s := size(i) + 1 // with its comma
		if s > left && lo < hi {
			return false
		}
		left -= s
		return true
	}
	up, down := hi < n, lo > 0
	for up || down {
		if up = up && hi < n && fits(hi); up {
			hi++
		}
		if down = down && lo > 0 && fits(lo-1); down {
			lo--
		}
	}
	return lo, hi
}
