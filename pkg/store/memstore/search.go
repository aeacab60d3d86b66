package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// The operations of the search index.
const (
	OpSearchGeneration   Op = "search: generation"
	OpSearchApply        Op = "search: apply"
	OpSearchFind         Op = "search: find"
	OpSearchMarks        Op = "search: marks"
	OpSearchLead         Op = "search: lead"
	OpSearchSave         Op = "search: save"
	OpSearchProgress     Op = "search: progress"
	OpSearchDrop         Op = "search: drop"
	OpConversationsAfter Op = "conversations after"
)

// Search is the search index, which fails on demand as the rest does.
func (s *Store) Search() *SearchStore { return &SearchStore{s} }

// SearchStore is a [search.Store] in the memory of a [Store].
type SearchStore struct{ s *Store }

var (
	_ search.Store         = (*SearchStore)(nil)
	_ search.Conversations = (*Store)(nil)
)

// generation is one index. It scans where others have one.
type generation struct {
	search.Generation
	docs     map[chat.Key]map[chat.Seq]search.Doc
	marks    map[chat.Key]chat.Seq
	owner    string
	until    time.Time
	term     int64
	progress search.Progress
}

// Generation implements [search.Store].
func (ss *SearchStore) Generation(ctx context.Context, version int, epoch string, anew bool) (search.Generation, error) {
	return write(ctx, ss.s, Call{Op: OpSearchGeneration}, func() (search.Generation, error) {
		var newest int64
		for n, g := range ss.s.generations {
			if anew || g.Version == version && g.Epoch == epoch {
				newest = max(newest, n)
			}
		}
		if newest > 0 && !anew {
			return ss.s.generations[newest].Generation, nil
		}
		ss.s.lastGeneration++
		g := &generation{docs: map[chat.Key]map[chat.Seq]search.Doc{}, marks: map[chat.Key]chat.Seq{},
			Generation: search.Generation{Number: ss.s.lastGeneration, Version: version, Epoch: epoch}}
		ss.s.generations[g.Number] = g
		return g.Generation, nil
	})
}

// generationLocked is a generation, or one that keeps nothing if it was dropped.
func (s *state) generationLocked(g search.Generation) *generation {
	if have := s.generations[g.Number]; have != nil {
		return have
	}
	return &generation{docs: map[chat.Key]map[chat.Seq]search.Doc{}, marks: map[chat.Key]chat.Seq{}}
}

// Lead implements [search.Store].
func (ss *SearchStore) Lead(ctx context.Context, g search.Generation, owner string, lease time.Duration) (l search.Lead, ok bool, err error) {
	l, err = write(ctx, ss.s, Call{Op: OpSearchLead}, func() (search.Lead, error) {
		have, now := ss.s.generationLocked(g), ss.s.now()
		switch {
		case !have.until.After(now):
			have.term++
		case have.owner != owner:
			return search.Lead{}, nil
		}
		have.owner, have.until = owner, now.Add(lease)
		return search.Lead{Term: have.term, Progress: cloneProgress(have.progress)}, nil
	})
	return l, l.Term > 0, err
}

func cloneProgress(p search.Progress) search.Progress {
	p.Journals = slices.Clone(p.Journals)
	return p
}

// Save implements [search.Store].
func (ss *SearchStore) Save(ctx context.Context, g search.Generation, l search.Lead) error {
	l.Progress = cloneProgress(l.Progress)
	return exec(ctx, ss.s, Call{Op: OpSearchSave}, func() error {
		have := ss.s.generationLocked(g)
		if have.term != l.Term {
			return search.ErrNotLeading
		}
		have.progress = l.Progress
		return nil
	})
}

// Progress implements [search.Store].
func (ss *SearchStore) Progress(ctx context.Context, g search.Generation) (search.Progress, error) {
	return read(ctx, ss.s, Call{Op: OpSearchProgress}, func() (search.Progress, error) {
		return cloneProgress(ss.s.generationLocked(g).progress), nil
	})
}

// DropOthers implements [search.Store].
func (ss *SearchStore) DropOthers(ctx context.Context, g search.Generation, idle time.Duration) (int, error) {
	return write(ctx, ss.s, Call{Op: OpSearchDrop}, func() (int, error) {
		dropped := 0
		for n, have := range ss.s.generations {
			if n != g.Number && !have.until.Add(idle).After(ss.s.now()) {
				delete(ss.s.generations, n)
				dropped++
			}
		}
		return dropped, nil
	})
}

// Index implements [search.Store].
func (ss *SearchStore) Index(g search.Generation) search.Index { return &searchIndex{ss.s, g} }

type searchIndex struct {
	s *Store
	g search.Generation
}

// Apply implements [search.Index].
func (x *searchIndex) Apply(ctx context.Context, b search.Batch) error {
	docs, marks := slices.Clone(b.Docs), maps.Clone(b.Marks)
	for i := range docs {
		docs[i].Terms = slices.Clone(docs[i].Terms)
	}
	return exec(ctx, x.s, Call{Op: OpSearchApply, Keys: slices.Collect(maps.Keys(marks))}, func() error {
		g := x.s.generationLocked(x.g)
		for _, d := range docs {
			in := g.docs[d.Key]
			if in == nil {
				in = map[chat.Seq]search.Doc{}
				g.docs[d.Key] = in
			}
			switch old, there := in[d.Seq]; {
			case d.Gone:
				in[d.Seq] = search.GoneDoc(d.Key, d.Seq)
			case !there || !old.Gone && old.Rev < d.Rev:
				in[d.Seq] = d
			}
		}
		for key, seq := range marks {
			g.marks[key] = max(g.marks[key], seq)
		}
		return nil
	})
}

// Find implements [search.Index]. It looks at every document, so Look is of no
// matter.
func (x *searchIndex) Find(ctx context.Context, f search.Filter) (search.Found, error) {
	return read(ctx, x.s, Call{Op: OpSearchFind}, func() (search.Found, error) {
		g := x.s.generationLocked(x.g)
		var hits []search.Hit
		for _, in := range f.In {
			for seq, d := range g.docs[chat.Key{NS: f.NS, Conv: in.Conv}] {
				h := search.Hit{Place: search.Place{Time: d.Time.UnixMilli(), Conv: in.Conv, Seq: seq}}
				if !d.Gone && in.Has(seq) && selects(f, h.Place) && weigh(&h, d, f) {
					hits = append(hits, h)
				}
			}
		}
		slices.SortFunc(hits, func(a, b search.Hit) int { return a.Place.Compare(b.Place) })
		if len(hits) <= f.Limit {
			return search.Found{Hits: hits}, nil
		}
		hits = hits[:f.Limit]
		next := hits[f.Limit-1].Place.Next()
		return search.Found{Hits: hits, Next: &next}, nil
	})
}

func selects(f search.Filter, p search.Place) bool {
	return p.Time >= f.Since && (f.Until == 0 || p.Time < f.Until) && (f.From == (search.Place{}) || f.From.Compare(p) <= 0)
}

// weigh reports whether a document has all terms.
func weigh(h *search.Hit, d search.Doc, f search.Filter) bool {
	for _, term := range f.Terms {
		i, ok := slices.BinarySearchFunc(d.Terms, term, func(t search.Term, s string) int { return cmp.Compare(t.Text, s) })
		if !ok {
			return false
		}
		if f.Weights {
			h.Counts, h.Len = append(h.Counts, d.Terms[i].N), d.Len
		}
	}
	return true
}

// Marks implements [search.Index].
func (x *searchIndex) Marks(ctx context.Context, keys []chat.Key) (map[chat.Key]chat.Seq, error) {
	return read(ctx, x.s, Call{Op: OpSearchMarks, Keys: keys}, func() (map[chat.Key]chat.Seq, error) {
		g, out := x.s.generationLocked(x.g), map[chat.Key]chat.Seq{}
		for _, key := range keys {
			if seq, ok := g.marks[key]; ok {
				out[key] = seq
			}
		}
		return out, nil
	})
}

// ConversationsAfter implements [search.Conversations].
func (s *Store) ConversationsAfter(ctx context.Context, after chat.Key, limit int) ([]chat.Conversation, error) {
	return read(ctx, s, Call{Op: OpConversationsAfter}, func() ([]chat.Conversation, error) {
		var out []chat.Conversation
		for key, c := range s.convs {
			if c.doc != nil && compareKeys(key, after) > 0 {
				doc := *c.doc
				doc.Users = slices.Clone(doc.Users)
				out = append(out, doc)
			}
		}
		slices.SortFunc(out, func(a, b chat.Conversation) int { return compareKeys(a.Key, b.Key) })
		return out[:min(len(out), limit)], nil
	})
}

func compareKeys(a, b chat.Key) int {
	return cmp.Or(cmp.Compare(a.NS, b.NS), cmp.Compare(a.Conv, b.Conv))
}
