package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/history/internal/indexer"
	"github.com/parley-chat/parley/services/history/internal/searcher"
)

// SearchStore is the store as search needs it: mongostore and pebblestore are one.
type SearchStore interface {
	indexer.Source
	Meta(ctx context.Context) (store.MetaInfo, error)
	Search() search.Store
}

// SearchOptions is what a Search is made of. Store must be set.
type SearchOptions struct {
	Store SearchStore
	// Share is how much of its time the feeding of the index takes at most, while
	// there is much to do. Less than 1 leaves room for others in the same process.
	// Default: 1.
	Share float64
	Log   *slog.Logger // default: discards
}

// Search is the search index, which one replica of the service feeds.
type Search struct {
	store   SearchStore
	index   search.Store
	current *indexer.Current
	indexer *indexer.Indexer
}

// NewSearch makes a Search. It does no I/O.
func NewSearch(o SearchOptions) *Search {
	s := &Search{store: o.Store, index: o.Store.Search()}
	s.current = indexer.NewCurrent(s.index, o.Store.Meta)
	s.indexer = indexer.New(indexer.Options{Source: o.Store, Store: s.index, Current: s.current, Share: o.Share, Log: o.Log})
	return s
}

// Run feeds the index whenever no other replica does, until ctx ends.
func (s *Search) Run(ctx context.Context) { s.indexer.Run(ctx) }

// SearchProgress tells how far building an index has come.
type SearchProgress struct {
	Built         bool
	Conversations int64 // of the present sweep
	Messages      int64
}

// Rebuild begins a new index, which searches ask at once, and feeds it, or watches
// another replica do so, until it has everything that was there at the beginning.
// report is called about every second. Old indexes that nobody feeds are removed
// at the end.
func (s *Search) Rebuild(ctx context.Context, report func(SearchProgress)) error {
	meta, err := s.store.Meta(ctx)
	if err != nil {
		return fmt.Errorf("read the data's identity: %w", err)
	}
	g, err := s.index.Generation(ctx, search.Version, meta.Epoch, true)
	if err != nil {
		return fmt.Errorf("begin a new index: %w", err)
	}
	feeding, stop := context.WithCancel(ctx)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		s.indexer.Run(feeding)
	}()
	err = s.watch(ctx, g, report)
	stop()
	<-fed
	if err != nil {
		return err
	}
	if _, err := s.index.DropOthers(ctx, g, rebuildIdle); err != nil {
		return fmt.Errorf("remove old indexes: %w", err)
	}
	return nil
}

// rebuildIdle is how long nobody must have fed an index that Rebuild removes: a few
// leases.
const rebuildIdle = 30 * time.Second

// watch returns once a generation is built.
func (s *Search) watch(ctx context.Context, g search.Generation, report func(SearchProgress)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		p, err := s.index.Progress(ctx, g)
		if err != nil {
			return fmt.Errorf("read the progress: %w", err)
		}
		report(SearchProgress{Built: p.Rounds > 0, Conversations: p.Seen, Messages: p.Messages})
		if p.Rounds > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// RegisterMetrics shows what the feeding of the index counts.
func (s *Search) RegisterMetrics(m *ops.Metrics) {
	stats := s.indexer.Stats
	m.Gauge("search_leading", "1 where this process feeds the search index.", func() float64 {
		if stats().Leading {
			return 1
		}
		return 0
	})
	m.Gauge("search_conversations_pending", "Conversations that are known to have entries that are not in the search index yet.",
		func() float64 { return float64(stats().Pending) })
	m.Gauge("search_lag_seconds", "How long there have been such conversations without a break; 0: the index has everything that is known.",
		func() float64 { return stats().Lag.Seconds() })
	m.Counter("search_entries_read_total", "Entries that were read to feed the search index.", func() uint64 { return stats().Entries })
	m.Counter("search_messages_indexed_total", "Messages that were written to the search index.", func() uint64 { return stats().Messages })
	m.Counter("search_sweeps_total", "Times that all conversations were compared with the search index.", func() uint64 { return stats().Sweeps })
	m.Counter("search_errors_total", "Steps of feeding the search index that failed and were tried again.", func() uint64 { return stats().Errors })
}

// find is GET /v1/search.
func (s *Service) find(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q := rest.ParseQuery(r)
	asked := searcher.Query{Text: q.Text("q"), Conv: chat.ConvID(q.Text("conv")), From: chat.User(q.Text("from")),
		Sort: searcher.Sort(q.Text("sort")), Cursor: q.Text("cursor"), Limit: q.Int("limit", 1, searcher.MaxLimit)}
	after, errAfter := parseDate("after", q.Text("after"))
	before, errBefore := parseDate("before", q.Text("before"))
	if err := q.Err(); err != nil {
		return err
	}
	if err := errors.Join(errAfter, errBefore); err != nil {
		return err
	}
	asked.After, asked.Before = after, before
	if asked.Conv != "" && !asked.Conv.Valid() {
		return chat.Errorf(chat.CodeNotFound, "no such conversation, or you are not in it")
	}
	list, err := s.search.Search(r.Context(), id.NS, id.User, asked)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// parseDate reads a moment (RFC 3339) or a day, which begins at midnight UTC; ""
// is the zero time.
func parseDate(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, chat.Errorf(chat.CodeBadRequest, `%q must be a date, such as 2026-01-31, or a time, such as 2026-01-31T12:00:00Z`, name)
}
