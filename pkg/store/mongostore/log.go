package mongostore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Entries implements [store.Log]. The filter names the conversation beside the
// range of keys so that a sharded cluster asks one shard; the hint keeps the
// server on the primary index, which is the log.
func (s *Store) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	after := min(max(r.After, 0), chat.MaxSeq) // as many digits as all others
	before := r.Before
	if before <= 0 || before > chat.MaxSeq {
		before = chat.MaxSeq + 1
	}
	order := 1
	if r.Desc {
		order = -1
	}
	filter := bson.D{
		{Key: "_id", Value: bson.D{
			{Key: "$gt", Value: messageID(key, after)},
			{Key: "$lt", Value: messageID(key, before)},
		}},
		{Key: "c", Value: convID(key)},
	}
	docs, err := find[messageDoc](ctx, s.messages, filter, options.Find().
		SetHint(ascending("_id")).
		SetSort(bson.D{{Key: "_id", Value: order}}).
		SetLimit(int64(r.Limit)).
		SetProjection(bson.D{{Key: "ed", Value: 0}, {Key: "rc", Value: 0}}))
	if err != nil {
		return nil, s.fail("reading entries", err)
	}
	entries := make([]chat.Entry, len(docs))
	for i := range docs {
		if entries[i], err = docs[i].entry(); err != nil {
			return nil, s.fail("reading entries", err)
		}
	}
	if r.Desc {
		slices.Reverse(entries)
	}
	return entries, nil
}

// EntriesBy implements [store.Log], by the index of cmids: it begins with conversation
// and sender.
func (s *Store) EntriesBy(ctx context.Context, key chat.Key, from chat.User, limit int) ([]chat.Entry, bool, error) {
	docs, err := find[messageDoc](ctx, s.messages, bson.D{{Key: "c", Value: convID(key)}, {Key: "f", Value: string(from)}},
		options.Find().SetLimit(int64(limit)+1).SetProjection(bson.D{{Key: "ed", Value: 0}, {Key: "rc", Value: 0}}))
	if err != nil {
		return nil, false, s.fail("reading a user's entries", err)
	}
	if len(docs) > limit {
		return nil, false, nil
	}
	entries := make([]chat.Entry, len(docs))
	for i := range docs {
		if entries[i], err = docs[i].entry(); err != nil {
			return nil, false, s.fail("reading a user's entries", err)
		}
	}
	slices.SortFunc(entries, func(a, b chat.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return entries, true, nil
}

// Lookup implements [store.Log].
func (s *Store) Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	return s.lookup(ctx, s.messages, key, from, cmid)
}

// codeNotAReplicaSet is a standalone server's answer to what is linearizable.
const codeNotAReplicaSet = 123

// LookupLinearizable implements [store.Log]. The primary reads the latest that it has, writes
// a no-op, and answers when a majority has both: so it is the primary, and what it shows is
// committed for good. A standalone server has nobody to ask. The driver gives a find of
// one document a time limit (maxTimeMS), without which this could wait for ever.
func (s *Store) LookupLinearizable(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	linearizable := s.messages.Clone(options.Collection().SetReadConcern(readconcern.Linearizable()))
	e, err := s.lookup(ctx, linearizable, key, from, cmid)
	var server mongo.ServerError
	if errors.As(err, &server) && server.HasErrorCode(codeNotAReplicaSet) {
		return s.Lookup(ctx, key, from, cmid)
	}
	return e, err
}

func (s *Store) lookup(ctx context.Context, messages *mongo.Collection, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	var d messageDoc
	err := messages.FindOne(ctx, bson.D{
		{Key: "c", Value: convID(key)}, {Key: "f", Value: string(from)}, {Key: "k", Value: string(cmid)},
	}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return chat.Entry{}, s.fail("looking up an entry", store.ErrNotFound)
	}
	if err != nil {
		return chat.Entry{}, s.fail("looking up an entry", err)
	}
	e, err := d.entry()
	if err != nil {
		return chat.Entry{}, s.fail("looking up an entry", err)
	}
	return e, nil
}

// Folds implements [store.Log]. It reads messages and reactions side by side, and then
// the list of edits, where there are any.
func (s *Store) Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]store.Fold, error) {
	folds := make(map[chat.Seq]store.Fold)
	if len(seqs) == 0 {
		return folds, nil
	}
	ids := make([]string, len(seqs))
	bySeq := make(map[string]chat.Seq, len(seqs))
	for i, seq := range seqs {
		ids[i] = messageID(key, seq)
		bySeq[ids[i]] = seq
	}
	var reactions []reactionDoc
	var errReactions error
	var wg sync.WaitGroup
	wg.Go(func() {
		filter := bson.D{{Key: "m", Value: bson.D{{Key: "$in", Value: ids}}}}
		reactions, errReactions = find[reactionDoc](ctx, s.reactions, filter, options.Find())
	})
	messages, err := find[messageDoc](ctx, s.messages, append(anyOf(ids), bson.E{Key: "$or", Value: bson.A{
		bson.D{exists("ed", true)},
		bson.D{exists("rc", true)},
	}}), options.Find().SetProjection(bson.D{{Key: "ed", Value: 1}, {Key: "rc", Value: 1}}))
	wg.Wait()
	if err := errors.Join(err, errReactions); err != nil {
		return nil, s.fail("reading folds", err)
	}
	var edited []string
	for i := range messages {
		folds[bySeq[messages[i].ID]] = messages[i].fold()
		if messages[i].Edited != nil {
			edited = append(edited, messages[i].ID)
		}
	}
	if err := s.countEdits(ctx, edited, func(id string) {
		f := folds[bySeq[id]]
		f.Edits++
		folds[bySeq[id]] = f
	}); err != nil {
		return nil, s.fail("reading folds", err)
	}
	for i := range reactions {
		d := &reactions[i]
		f, r := folds[bySeq[d.Message]], store.Reaction{Emoji: d.Emoji, User: chat.User(d.User)}
		if d.on() {
			f.Reactions = append(f.Reactions, r)
		} else {
			f.Withdrawn = append(f.Withdrawn, r)
		}
		folds[bySeq[d.Message]] = f
	}
	for _, f := range folds {
		slices.SortFunc(f.Reactions, store.CompareReactions)
		slices.SortFunc(f.Withdrawn, store.CompareReactions)
	}
	return folds, nil
}

// countEdits visits the edits of messages: each names its message once.
func (s *Store) countEdits(ctx context.Context, messages []string, visit func(message string)) error {
	if len(messages) == 0 {
		return nil
	}
	filter := bson.D{{Key: "m", Value: bson.D{{Key: "$in", Value: messages}}}}
	edits, err := find[editDoc](ctx, s.edits, filter, options.Find().SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "m", Value: 1}}))
	for i := range edits {
		visit(edits[i].Message)
	}
	return err
}

func (d *messageDoc) fold() store.Fold {
	var f store.Fold
	if e := d.Edited; e != nil {
		f.Edited = &store.Edited{Seq: chat.Seq(e.Seq), Time: e.Time.UTC()}
		if e.Body != "" {
			f.Edited.Body = []byte(e.Body)
		}
	}
	if r := d.Recalled; r != nil {
		f.Recalled = &store.Recalled{Seq: chat.Seq(r.Seq), By: chat.User(r.By), Time: r.Time.UTC()}
	}
	return f
}

// findBatch is how many documents come in one answer: a page in one round trip.
const findBatch = 1000

// find reads all documents that a filter selects.
func find[T any](ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) ([]T, error) {
	cursor, err := c.Find(ctx, filter, o.SetBatchSize(findBatch))
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by the method that reads
	}
	var docs []T
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	return docs, nil
}
