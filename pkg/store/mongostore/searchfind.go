package mongostore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

const (
	// findConvs is how many conversations one command names: MongoDB merges at most
	// 200 ranges of an index, and sorts where there are more.
	findConvs = 100
	// findParts is how many commands one call has under way.
	findParts = 4
)

// Find implements [search.Index]. The conversations are asked for in parts, side
// by side; every part says how far it has looked, and only what comes before the
// nearest of these is an answer.
func (x *searchIndex) Find(ctx context.Context, f search.Filter) (search.Found, error) {
	parts := slices.Collect(slices.Chunk(f.In, findConvs))
	answers := make([]search.Found, len(parts))
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	slots := make(chan struct{}, findParts)
	for i, in := range parts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			part := f
			part.In, part.Look = in, max(f.Look/len(parts), 1)
			answers[i], errs[i] = x.findPart(ctx, part)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return search.Found{}, x.s.fail("searching", err)
	}
	return mergeFound(answers, f.Limit), nil
}

func mergeFound(parts []search.Found, limit int) (all search.Found) {
	for _, p := range parts {
		all.Hits = append(all.Hits, p.Hits...)
		if p.Next != nil && (all.Next == nil || p.Next.Compare(*all.Next) < 0) {
			all.Next = p.Next
		}
	}
	slices.SortFunc(all.Hits, func(a, b search.Hit) int { return a.Place.Compare(b.Place) })
	if all.Next != nil {
		end := slices.IndexFunc(all.Hits, func(h search.Hit) bool { return h.Place.Compare(*all.Next) >= 0 })
		if end >= 0 {
			all.Hits = all.Hits[:end]
		}
	}
	if len(all.Hits) > limit {
		all.Hits = all.Hits[:limit]
		next := all.Hits[limit-1].Place.Next()
		all.Next = &next
	}
	return all
}

// findPart finds in one part of the conversations.
func (x *searchIndex) findPart(ctx context.Context, f search.Filter) (search.Found, error) {
	p := part{searchIndex: x, Filter: f, scopes: make(map[chat.ConvID]search.Scope, len(f.In)), page: f.Limit + 1}
	for _, in := range f.In {
		p.ids = append(p.ids, convID(chat.Key{NS: f.NS, Conv: in.Conv}))
		p.scopes[in.Conv] = in
	}
	if len(f.Terms) == 1 {
		return p.found, p.read(ctx, f.Terms, nil)
	}
	// The server cannot be told to stop after a number of documents. So it is told
	// where to stop, and asked again from there if that was too early.
	for look := min(firstLook, f.Look); ; look = min(look*moreLook, p.Look) {
		p.Look -= look
		terms, end, err := p.narrow(ctx, look)
		if err == nil {
			err = p.read(ctx, terms, end)
		}
		if err != nil || p.found.Next == nil || len(p.found.Hits) == f.Limit || p.Look <= 0 {
			return p.found, err
		}
		p.From = *p.found.Next
	}
}

const (
	// firstLook is how many places of a term are looked at first, and moreLook how many
	// times as many after that: mostly the first are enough.
	firstLook = 500
	moreLook  = 10
	// mostPage is how many places one command returns.
	mostPage = 5000
	// narrowBy is how many terms are looked up to see which is the rarest. They come
	// longest first, and the sender's last.
	narrowBy = 3
)

// part is a question about some of the conversations.
type part struct {
	*searchIndex
	search.Filter // From moves on
	ids           []string
	scopes        map[chat.ConvID]search.Scope
	page          int // how many places to read next
	found         search.Found
}

// filter selects what has a term, or several, from the filter's first place up to an
// end; nil: to the last one.
func (p *part) filter(w any, end *search.Place) bson.D {
	d := bson.D{{Key: "c", Value: bson.D{{Key: "$in", Value: p.ids}}}, {Key: "w", Value: w}}
	order := orderRange(p.Filter)
	if end != nil {
		order = slices.DeleteFunc(order, func(e bson.E) bool { return e.Key == "$lt" })
		order = append(order, bson.E{Key: "$lt", Value: orderKey(*end)})
	}
	if len(order) > 0 {
		d = append(d, bson.E{Key: "o", Value: order})
	}
	return d
}

// orderOnly is all that the index itself can tell: no document is read for it.
var orderOnly = bson.D{{Key: "_id", Value: 0}, {Key: "o", Value: 1}}

// narrow looks which term reaches the furthest within so many places: that is the
// rarest, and comes first in what it returns. end is how far it reaches; nil: it has
// no more places than that.
func (p *part) narrow(ctx context.Context, look int) (terms []string, end *search.Place, err error) {
	some := p.Terms
	if len(some) > narrowBy {
		some = append(slices.Clone(some[:narrowBy-1]), some[len(some)-1])
	}
	ends, errs := make([][]searchDoc, len(some)), make([]error, len(some))
	var wg sync.WaitGroup
	for i, term := range some {
		wg.Go(func() {
			ends[i], errs[i] = findWithin[searchDoc](ctx, p.docs, bounded{
				filter: p.filter(term, nil), hint: searchKeys, sort: ascending("o"), skip: look, limit: 1, projection: orderOnly,
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	best := 0
	for i := range ends {
		if len(ends[best]) > 0 && (len(ends[i]) == 0 || ends[i][0].Order > ends[best][0].Order) {
			best = i
		}
	}
	terms = append([]string{some[best]}, slices.DeleteFunc(slices.Clone(p.Terms), func(t string) bool { return t == some[best] })...)
	if len(ends[best]) == 0 {
		return terms, nil, nil
	}
	place, err := parseOrder(ends[best][0].Order)
	return terms, &place, err
}

// read reads what has all terms and is in the scopes, up to an end, until there is as
// much as is asked for. A server looks the first term up in the index, and for the
// others at the documents that this leads to. It is not told of the scopes: that would
// be a hundred conditions for each place, where most users have joined at the start.
func (p *part) read(ctx context.Context, terms []string, end *search.Place) error {
	q := bounded{hint: searchKeys, sort: ascending("o"), projection: orderOnly}
	if p.Weights {
		q.projection = bson.D{{Key: "o", Value: 1}, {Key: "w", Value: 1}, {Key: "n", Value: 1}, {Key: "l", Value: 1}}
	}
	var w any = terms[0]
	if len(terms) > 1 {
		w = bson.D{{Key: "$all", Value: terms}}
	}
	for {
		q.filter, q.limit = p.filter(w, end), p.page
		docs, err := findWithin[searchDoc](ctx, p.docs, q)
		if err != nil {
			return err
		}
		full, err := p.take(docs)
		if full || err != nil {
			return err
		}
		if p.found.Next = end; len(docs) < p.page {
			return nil
		}
		last, err := parseOrder(docs[len(docs)-1].Order)
		if err != nil {
			return err
		}
		p.From = last.Next()
		if !p.Weights { // those are documents, and some are long
			p.page = min(p.page*moreLook, mostPage)
		}
		if len(terms) > 1 {
			continue // as many as were looked at to narrow it
		}
		if p.Look -= len(docs); p.Look <= 0 {
			next := p.From
			p.found.Next = &next
			return nil
		}
		p.page = min(p.page, p.Look)
	}
}

// take adds what is in the scopes to what was found. It is full where there is one
// more than asked for: that is where to go on.
func (p *part) take(docs []searchDoc) (full bool, err error) {
	for i := range docs {
		h, err := docs[i].hit(p.Filter)
		switch {
		case err != nil:
			return false, err
		case !p.scopes[h.Conv].Has(h.Seq):
		case len(p.found.Hits) == p.Limit:
			p.found.Next = &h.Place
			return true, nil
		default:
			p.found.Hits = append(p.found.Hits, h)
		}
	}
	return false, nil
}

// orderRange is the part of the order that a filter selects.
func orderRange(f search.Filter) bson.D {
	var d bson.D
	low := ""
	if f.Until > 0 {
		low = orderTime(f.Until-1) + "/"
	}
	if f.From != (search.Place{}) {
		low = max(low, orderKey(f.From))
	}
	if low != "" {
		d = append(d, bson.E{Key: "$gte", Value: low})
	}
	if f.Since > 0 {
		d = append(d, bson.E{Key: "$lt", Value: orderTime(f.Since) + endOfPrefix})
	}
	return d
}
