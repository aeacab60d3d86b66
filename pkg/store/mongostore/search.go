package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// Search is the search index in this database: a collection of generations, and
// two collections for each, so that dropping one is cheap. Nothing of it touches
// the collections of the log. It ends with the store.
func (s *Store) Search() search.Store {
	return &searchStore{s: s, generations: s.db.Collection("search"), made: map[int64]bool{}}
}

var _ search.Conversations = (*Store)(nil)

type searchStore struct {
	s           *Store
	generations *mongo.Collection

	mu   sync.Mutex
	made map[int64]bool // generations whose collections are known to be there
}

// generationDoc is a document of the collection search. Its key is a number;
// those that were dropped stay, so that no number is used twice.
type generationDoc struct {
	ID       int64       `bson:"_id"`
	Version  int64       `bson:"version"`
	Epoch    string      `bson:"epoch"`
	Dropped  bool        `bson:"dropped"`
	Owner    string      `bson:"owner"`
	Until    time.Time   `bson:"until"`
	Term     int64       `bson:"term"`
	Progress progressDoc `bson:"progress"`
}

type progressDoc struct {
	Begun    bool          `bson:"begun"`
	Journals []positionDoc `bson:"journals,omitempty"`
	Rounds   int64         `bson:"rounds"`
	Again    bool          `bson:"again"`
	Swept    time.Time     `bson:"swept,omitempty"`
	Sweeping bool          `bson:"sweeping"`
	Cursor   string        `bson:"cursor,omitempty"`
	Seen     int64         `bson:"seen"`
	Messages int64         `bson:"messages"`
}

type positionDoc struct {
	Pod    string `bson:"p"`
	Number int64  `bson:"n"`
}

func progressOf(p search.Progress) progressDoc {
	d := progressDoc{Begun: p.Begun, Rounds: p.Rounds, Again: p.Again, Swept: p.Swept, Sweeping: p.Sweeping,
		Seen: p.Seen, Messages: p.Messages}
	if p.Cursor != (chat.Key{}) {
		d.Cursor = convID(p.Cursor)
	}
	for _, j := range p.Journals {
		d.Journals = append(d.Journals, positionDoc{j.Pod, int64(j.Number)})
	}
	return d
}

func (d *progressDoc) progress() search.Progress {
	p := search.Progress{Begun: d.Begun, Rounds: d.Rounds, Again: d.Again, Swept: d.Swept, Sweeping: d.Sweeping,
		Cursor: parseConvID(d.Cursor), Seen: d.Seen, Messages: d.Messages}
	for _, j := range d.Journals {
		p.Journals = append(p.Journals, search.Position{Pod: j.Pod, Number: uint64(j.Number)})
	}
	return p
}

func (d *generationDoc) generation() search.Generation {
	return search.Generation{Number: d.ID, Version: int(d.Version), Epoch: d.Epoch}
}

// Generation implements [search.Store]. The key of a new one is the next number:
// of several that make one at a time, the primary index lets one.
func (ss *searchStore) Generation(ctx context.Context, version int, epoch string, anew bool) (search.Generation, error) {
	g, err := ss.newest(ctx, bson.D{{Key: "version", Value: int64(version)}, {Key: "epoch", Value: epoch}, {Key: "dropped", Value: false}})
	for err == nil && (anew || g.Number == 0) {
		var last search.Generation
		if last, err = ss.newest(ctx, bson.D{}); err != nil {
			break
		}
		d := generationDoc{ID: last.Number + 1, Version: int64(version), Epoch: epoch, Until: time.Unix(0, 0)}
		var present []int
		if present, err = insertMissing(ctx, ss.generations, []generationDoc{d}); err != nil || len(present) == 0 {
			g = d.generation()
			break
		}
		if !anew { // somebody else may have made what is wanted
			return ss.Generation(ctx, version, epoch, false)
		}
	}
	if err == nil {
		err = ss.makeCollections(ctx, g)
	}
	if err != nil {
		return search.Generation{}, ss.s.fail("finding the search index", err)
	}
	return g, nil
}

// newest is the generation with the highest number of those that a filter selects;
// its number is 0 if there is none.
func (ss *searchStore) newest(ctx context.Context, filter bson.D) (search.Generation, error) {
	docs, err := find[generationDoc](ctx, ss.generations, filter, options.Find().
		SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(1))
	if err != nil || len(docs) == 0 {
		return search.Generation{}, err
	}
	return docs[0].generation(), nil
}

// makeCollections makes what a generation needs, unless this process has done so.
func (ss *searchStore) makeCollections(ctx context.Context, g search.Generation) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.made[g.Number] {
		return nil
	}
	docs, marks := ss.collections(g.Number)
	for _, c := range []*mongo.Collection{docs, marks} {
		var command mongo.CommandError
		err := ss.s.db.CreateCollection(ctx, c.Name())
		if err != nil && !(errors.As(err, &command) && command.Code == codeNamespaceExists) {
			return fmt.Errorf("creating collection %s: %w", c.Name(), err)
		}
	}
	if _, err := docs.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: searchKeys}); err != nil {
		return fmt.Errorf("creating indexes of %s: %w", docs.Name(), err)
	}
	ss.made[g.Number] = true
	return nil
}

func (ss *searchStore) collections(generation int64) (docs, marks *mongo.Collection) {
	name := fmt.Sprintf("search_%d", generation)
	return ss.s.db.Collection(name), ss.s.db.Collection(name + "_marks")
}

// Lead implements [search.Store], by the primary's clock as Register has it.
func (ss *searchStore) Lead(ctx context.Context, g search.Generation, owner string, lease time.Duration) (l search.Lead, ok bool, err error) {
	h, err := ss.s.hello(ctx)
	if err != nil {
		return l, false, err
	}
	until := bson.E{Key: "until", Value: h.LocalTime.Add(lease)}
	take := func(cond, set, inc bson.D) (generationDoc, error) {
		var d generationDoc
		update := bson.D{{Key: "$set", Value: set}}
		if inc != nil {
			update = append(update, bson.E{Key: "$inc", Value: inc})
		}
		err := ss.generations.FindOneAndUpdate(ctx, append(bson.D{{Key: "_id", Value: g.Number}}, cond...), update,
			options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
		return d, err
	}
	d, err := take(bson.D{{Key: "owner", Value: owner}, {Key: "until", Value: bson.D{{Key: "$gt", Value: h.LocalTime}}}}, bson.D{until}, nil)
	if errors.Is(err, mongo.ErrNoDocuments) {
		d, err = take(bson.D{{Key: "until", Value: bson.D{{Key: "$lte", Value: h.LocalTime}}}},
			bson.D{{Key: "owner", Value: owner}, until}, bson.D{{Key: "term", Value: int64(1)}})
	}
	if errors.Is(err, mongo.ErrNoDocuments) {
		return l, false, nil
	}
	if err != nil {
		return l, false, ss.s.fail("leading search", err)
	}
	return search.Lead{Term: d.Term, Progress: d.Progress.progress()}, true, nil
}

// Save implements [search.Store].
func (ss *searchStore) Save(ctx context.Context, g search.Generation, l search.Lead) error {
	res, err := ss.generations.UpdateOne(ctx, bson.D{{Key: "_id", Value: g.Number}, {Key: "term", Value: l.Term}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "progress", Value: progressOf(l.Progress)}}}})
	if err == nil && res.MatchedCount == 0 {
		err = search.ErrNotLeading
	}
	if err != nil {
		return ss.s.fail("saving the progress of search", err)
	}
	return nil
}

// Progress implements [search.Store].
func (ss *searchStore) Progress(ctx context.Context, g search.Generation) (search.Progress, error) {
	docs, err := find[generationDoc](ctx, ss.generations, bson.D{{Key: "_id", Value: g.Number}}, options.Find())
	if err != nil {
		return search.Progress{}, ss.s.fail("reading the progress of search", err)
	}
	if len(docs) == 0 {
		return search.Progress{}, nil
	}
	return docs[0].Progress.progress(), nil
}

// DropOthers implements [search.Store]. The mark that a generation was dropped
// comes last: until then it can be repeated.
func (ss *searchStore) DropOthers(ctx context.Context, g search.Generation, idle time.Duration) (int, error) {
	h, err := ss.s.hello(ctx)
	if err != nil {
		return 0, err
	}
	old, err := find[generationDoc](ctx, ss.generations, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$ne", Value: g.Number}}},
		{Key: "dropped", Value: false},
		{Key: "until", Value: bson.D{{Key: "$lte", Value: h.LocalTime.Add(-idle)}}},
	}, options.Find())
	if err != nil {
		return 0, ss.s.fail("finding old search indexes", err)
	}
	for i, d := range old {
		docs, marks := ss.collections(d.ID)
		err := errors.Join(docs.Drop(ctx), marks.Drop(ctx))
		if err == nil {
			_, err = ss.generations.UpdateOne(ctx, bson.D{{Key: "_id", Value: d.ID}},
				bson.D{{Key: "$set", Value: bson.D{{Key: "dropped", Value: true}}}})
		}
		if err != nil {
			return i, ss.s.fail("dropping an old search index", err)
		}
	}
	return len(old), nil
}

// ConversationsAfter implements [search.Conversations].
func (s *Store) ConversationsAfter(ctx context.Context, after chat.Key, limit int) ([]chat.Conversation, error) {
	filter := bson.D{}
	if after != (chat.Key{}) {
		filter = bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: convID(after)}}}}
	}
	docs, err := find[conversationDoc](ctx, s.conversations, filter,
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
	if err != nil {
		return nil, s.fail("listing conversations", err)
	}
	list := make([]chat.Conversation, len(docs))
	for i := range docs {
		list[i] = docs[i].conversation()
	}
	return list, nil
}
