package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/store"
)

// Register implements [store.Pods]. The store's clock is the primary's, as hello
// tells it, so it is a little behind when the write arrives: leases end early
// rather than late. A renewal that may have arrived after the old lease had run
// out counts as one that has.
func (s *Store) Register(ctx context.Context, p store.Pod, lease time.Duration) error {
	asked := time.Now()
	h, err := s.hello(ctx)
	if err != nil {
		return err
	}
	d := podDoc{ID: p.ID, Epoch: p.Epoch, First: int64(p.First), Settled: int64(p.Settled), Until: h.LocalTime.Add(lease)}
	for range 2 { // the second time for one that was registered between the two looks
		old, err := s.renew(ctx, d, h.LocalTime)
		switch {
		case err == nil && time.Since(asked) >= old.Until.Sub(h.LocalTime):
			return s.fail("renewing pod "+p.ID+" in time", store.ErrNotFound)
		case err == nil:
			return nil
		case !errors.Is(err, mongo.ErrNoDocuments):
			return s.fail("renewing pod "+p.ID, err)
		}
		present, err := insertMissing(ctx, s.pods, []podDoc{d})
		if err != nil {
			return s.fail("registering pod "+p.ID, err)
		}
		if len(present) == 0 {
			return nil
		}
	}
	return s.fail("renewing pod "+p.ID, store.ErrNotFound)
}

// renew replaces a registration whose lease lasts at a time, and returns the old
// one.
func (s *Store) renew(ctx context.Context, d podDoc, now time.Time) (old podDoc, err error) {
	err = s.pods.FindOneAndUpdate(ctx,
		append(byID(d.ID), bson.E{Key: "until", Value: bson.D{{Key: "$gt", Value: now}}}),
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "epoch", Value: d.Epoch}, {Key: "first", Value: d.First}, {Key: "settled", Value: d.Settled}, {Key: "until", Value: d.Until},
		}}},
		options.FindOneAndUpdate().SetReturnDocument(options.Before)).Decode(&old)
	return old, err //nolint:wrapcheck // wrapped by Register
}

// Pods implements [store.Pods]. The time is asked for first: a lease that is
// renewed meanwhile must not look as if it had run out.
func (s *Store) Pods(ctx context.Context) ([]store.Pod, time.Time, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	docs, err := find[podDoc](ctx, s.pods, bson.D{}, options.Find())
	if err != nil {
		return nil, time.Time{}, s.fail("reading pods", err)
	}
	pods := make([]store.Pod, len(docs))
	for i, d := range docs {
		pods[i] = store.Pod{ID: d.ID, Epoch: d.Epoch, First: uint64(d.First), Settled: uint64(d.Settled), Until: d.Until.UTC()}
	}
	return pods, h.LocalTime.UTC(), nil
}

// Forget implements [store.Pods]. The registration goes last: while it is there,
// Forget can be repeated.
func (s *Store) Forget(ctx context.Context, id string) error {
	if _, err := s.journal.DeleteMany(ctx, bson.D{{Key: "_id", Value: below(id)}}); err != nil {
		return s.fail("forgetting the journal of "+id, err)
	}
	if _, err := s.pods.DeleteOne(ctx, byID(id)); err != nil {
		return s.fail("forgetting pod "+id, err)
	}
	return nil
}
