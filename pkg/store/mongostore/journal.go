package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/store"
)

// ReadJournal implements [store.Journal].
func (s *Store) ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error) {
	filter := bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gt", Value: journalID(pod, after)},
		{Key: "$lt", Value: pod + endOfPrefix},
	}}}
	docs, err := find[journalDoc](ctx, s.journal, filter,
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
	if err != nil {
		return nil, s.fail("reading the journal of "+pod, err)
	}
	list := make([]store.JournalDoc, len(docs))
	for i := range docs {
		if list[i], err = docs[i].document(); err != nil {
			return nil, s.fail("reading the journal of "+pod, err)
		}
	}
	return list, nil
}

// TrimJournal implements [store.Journal].
func (s *Store) TrimJournal(ctx context.Context, pod string, before uint64) error {
	_, err := s.journal.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gt", Value: pod + "/"},
		{Key: "$lt", Value: journalID(pod, before)},
	}}})
	if err != nil {
		return s.fail("trimming the journal of "+pod, err)
	}
	return nil
}
