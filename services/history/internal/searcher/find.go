package searcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/wire"
)

// newest fills a list in the order of the index, from a cursor on. It returns
// where to go on.
func (r *request) newest(ctx context.Context, from cursor, list *wire.SearchList) (*cursor, error) {
	f := r.filter
	f.From = from.place
	for range mostRounds {
		f.Limit = min(r.limit-len(list.Items), mostRead-r.read)
		found, err := r.index.Find(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("ask the index: %w", err)
		}
		items, err := r.check(ctx, found.Hits)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, items...)
		if found.Next == nil {
			return nil, nil
		}
		f.From = *found.Next
		if len(list.Items) == r.limit || r.read >= mostRead {
			break
		}
	}
	return &cursor{place: f.From}, nil
}

// ranked is a candidate for "best".
type ranked struct {
	search.Hit
	weight int64
}

func (a ranked) compare(b ranked) int {
	return cmp.Or(cmp.Compare(b.weight, a.weight), a.Place.Compare(b.Place))
}

// best ranks the newest messages that the index finds. A cursor says which was the
// newest at the first part, so that new messages do not shift those that follow.
func (r *request) best(ctx context.Context, from cursor, list *wire.SearchList) (*cursor, error) {
	f := r.filter
	f.From, f.Weights = from.newest, true
	var candidates []ranked
	for range mostRounds {
		f.Limit = mostRanked - len(candidates)
		found, err := r.index.Find(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("ask the index: %w", err)
		}
		for _, h := range found.Hits {
			candidates = append(candidates, ranked{h, search.Weight(h)})
		}
		if found.Next == nil {
			break
		}
		f.From = *found.Next
		if f.Look /= 2; len(candidates) == mostRanked || f.Look < 1000 {
			list.Exact = false
			break
		}
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	newest := candidates[0].Place
	slices.SortFunc(candidates, ranked.compare)
	if from.place != (search.Place{}) {
		last := ranked{search.Hit{Place: from.place}, from.weight}
		candidates = slices.DeleteFunc(candidates, func(c ranked) bool { return c.compare(last) <= 0 })
	}
	for len(candidates) > 0 && len(list.Items) < r.limit && r.read < mostRead {
		n := min(r.limit-len(list.Items), mostRead-r.read, len(candidates))
		hits := make([]search.Hit, n)
		for i := range hits {
			hits[i] = candidates[i].Hit
		}
		items, err := r.check(ctx, hits)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, items...)
		from = cursor{newest: newest, place: candidates[n-1].Place, weight: candidates[n-1].weight}
		candidates = candidates[n:]
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	return &from, nil
}

// check reads what the index has found, and keeps what matches as the user sees
// it, in the same order.
func (r *request) check(ctx context.Context, hits []search.Hit) ([]wire.SearchHit, error) {
	r.read += len(hits)
	byConv := map[chat.ConvID][]chat.Seq{}
	for _, h := range hits {
		byConv[h.Conv] = append(byConv[h.Conv], h.Seq)
	}
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		errs  []error
		items = make(map[search.Place]wire.SearchHit, len(hits)) // by conversation and seq
		slots = make(chan struct{}, parallel)
	)
	for conv, seqs := range byConv {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			messages, err := r.view.At(ctx, r.parts[conv], seqs)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			}
			for i := range messages {
				if item, ok := r.match(&messages[i]); ok {
					items[search.Place{Conv: conv, Seq: item.Seq}] = item
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read what was found: %w", err)
	}
	var list []wire.SearchHit
	for _, h := range hits {
		if item, ok := items[search.Place{Conv: h.Conv, Seq: h.Seq}]; ok && item.Time.UnixMilli() == h.Time {
			list = append(list, item)
		}
	}
	return list, nil
}

// match makes an item of a message, if it matches.
func (r *request) match(m *wire.Message) (wire.SearchHit, bool) {
	if m.Gone {
		return wire.SearchHit{}, false
	}
	text := search.TextOf(m.Body)
	found, ok := r.query.Match(text)
	if !ok {
		return wire.SearchHit{}, false
	}
	item := wire.SearchHit{Conv: m.Conv, Seq: m.Seq, ID: m.ID, From: m.From, Time: m.Time, Edited: m.Edited}
	var lights []search.Range
	item.Snippet.Text, lights = search.Snippet(text, found)
	item.Snippet.Highlights = make([][2]int, len(lights))
	for i, l := range lights {
		item.Snippet.Highlights[i] = [2]int{l.Start, l.End}
	}
	return item, true
}
