package indexer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/history/internal/searcher"
)

// recheck is how long a look at which index is the current one is good for.
const recheck = time.Second

// Current is the index that is asked and fed: the newest one of this version of
// the terms and of the data's epoch. It is safe for concurrent use.
type Current struct {
	store search.Store
	meta  func(context.Context) (store.MetaInfo, error)

	mu    sync.Mutex
	gen   search.Generation
	data  store.MetaInfo
	built bool // for gen
	at    time.Time
}

// NewCurrent makes a Current. meta reads the data's identity.
func NewCurrent(s search.Store, meta func(context.Context) (store.MetaInfo, error)) *Current {
	return &Current{store: s, meta: meta}
}

// Generation is the current generation. It makes one if there is none.
func (c *Current) Generation(ctx context.Context) (search.Generation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.lookLocked(ctx)
	return c.gen, err
}

// Present is the current index.
func (c *Current) Present(ctx context.Context) (searcher.Present, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.lookLocked(ctx); err != nil {
		return searcher.Present{}, err
	}
	return searcher.Present{Index: c.store.Index(c.gen), Built: c.built, Secret: c.data.Cluster}, nil
}

// lookLocked looks at most every second; others wait for who does.
func (c *Current) lookLocked(ctx context.Context) error {
	if c.gen.Number > 0 && time.Since(c.at) < recheck {
		return nil
	}
	begun := time.Now()
	meta, err := c.meta(ctx)
	if err != nil {
		return fmt.Errorf("read the data's identity: %w", err)
	}
	g, err := c.store.Generation(ctx, search.Version, meta.Epoch, false)
	if err != nil {
		return fmt.Errorf("read which search index is current: %w", err)
	}
	built := c.built && g == c.gen
	if !built {
		p, err := c.store.Progress(ctx, g)
		if err != nil {
			return fmt.Errorf("read the search index's progress: %w", err)
		}
		built = p.Rounds > 0
	}
	c.gen, c.data, c.built, c.at = g, meta, built, begun
	return nil
}
