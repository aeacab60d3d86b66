package mongostore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	// maxBulk is how many updates one command carries: FerretDB version 1 hangs
	// at 100, and more would hold the locks of other writers up for longer.
	maxBulk = 50
	// maxBulks is how many commands one call has under way.
	maxBulks = 4
	// maxUpserts is how often an update is tried that met another upsert of the
	// same document: the second attempt finds the document.
	maxUpserts = 3
)

// update runs updates that commute and may be repeated, in bulks side by side.
func (s *Store) update(ctx context.Context, c *mongo.Collection, updates []mongo.WriteModel) error {
	if len(updates) <= maxBulk {
		return bulk(ctx, c, updates)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		errs  []error
		slots = make(chan struct{}, maxBulks)
	)
	for part := range slices.Chunk(updates, maxBulk) {
		slots <- struct{}{} // each holder lets go when its command ends, at the latest with ctx
		wg.Go(func() {
			defer func() { <-slots }()
			if err := bulk(ctx, c, part); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func bulk(ctx context.Context, c *mongo.Collection, updates []mongo.WriteModel) error {
	if len(updates) == 0 {
		return nil
	}
	var err error
	for range maxUpserts {
		_, err = c.BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(false))
		if err == nil || !mongo.IsDuplicateKeyError(err) {
			break
		}
	}
	return err //nolint:wrapcheck // wrapped by the method that writes
}
