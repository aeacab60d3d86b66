package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// searchDoc is what the index keeps of a message. Its key is the message's own.
// The index (c, w, o) has an entry for each term, newest first inside of it: where
// c is one of some conversations and w is one term, the server merges them in the
// order of o without sorting.
type searchDoc struct {
	ID     string   `bson:"_id"`
	Conv   string   `bson:"c"`
	Order  string   `bson:"o"` // see orderKey
	Rev    int64    `bson:"v"` // MaxSeq: gone for good
	Terms  []string `bson:"w,omitempty"`
	Counts []byte   `bson:"n,omitempty"` // of terms, one byte each
	Len    int64    `bson:"l,omitempty"`
}

// searchKeys is the index of searchDoc. It is named in every command: a scope could
// lead a server to look for ids instead.
var searchKeys = ascending("c", "w", "o")

// markDoc says up to where a conversation is indexed.
type markDoc struct {
	ID  string `bson:"_id"`
	Seq int64  `bson:"s"`
}

const maxMillis = 1<<48 - 1

// orderKey sorts as places do: all of it is in one string, with time and seq
// counted backwards.
func orderKey(p search.Place) string {
	return fmt.Sprintf("%s/%s/%016d", orderTime(p.Time), p.Conv, chat.MaxSeq-p.Seq)
}

func orderTime(ms int64) string { return fmt.Sprintf("%016d", maxMillis-min(max(ms, 0), maxMillis)) }

func parseOrder(key string) (search.Place, error) {
	t, rest, _ := strings.Cut(key, "/")
	conv, q, _ := strings.Cut(rest, "/")
	ms, err1 := strconv.ParseInt(t, 10, 64)
	seq, err2 := strconv.ParseInt(q, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return search.Place{}, fmt.Errorf("the order key %q: %w", key, err)
	}
	return search.Place{Time: maxMillis - ms, Conv: chat.ConvID(conv), Seq: chat.MaxSeq - chat.Seq(seq)}, nil
}

func searchDocOf(d *search.Doc) searchDoc {
	if d.Gone {
		return searchDoc{ID: messageID(d.Key, d.Seq), Conv: convID(d.Key), Rev: int64(chat.MaxSeq)}
	}
	doc := searchDoc{
		ID: messageID(d.Key, d.Seq), Conv: convID(d.Key), Rev: int64(d.Rev), Len: int64(d.Len),
		Order: orderKey(search.Place{Time: d.Time.UnixMilli(), Conv: d.Conv, Seq: d.Seq}),
	}
	for _, t := range d.Terms {
		doc.Terms = append(doc.Terms, t.Text)
		doc.Counts = append(doc.Counts, byte(min(t.N, 255)))
	}
	return doc
}

// Index implements [search.Store].
func (ss *searchStore) Index(g search.Generation) search.Index {
	docs, marks := ss.collections(g.Number)
	return &searchIndex{s: ss.s, docs: docs, marks: marks}
}

type searchIndex struct {
	s           *Store
	docs, marks *mongo.Collection
}

// insertDocs is how many documents one insert carries.
const insertDocs = 500

// Apply implements [search.Index]. Most documents are new; those that are there
// already are updated where they are older.
func (x *searchIndex) Apply(ctx context.Context, b search.Batch) error {
	for part := range slices.Chunk(b.Docs, insertDocs) {
		if err := x.put(ctx, part); err != nil {
			return x.s.fail("indexing messages", err)
		}
	}
	var updates []mongo.WriteModel
	for key, seq := range b.Marks {
		updates = append(updates, updateOne(byID(convID(key)),
			bson.D{{Key: "$max", Value: bson.D{{Key: "s", Value: int64(seq)}}}}).SetUpsert(true))
	}
	if err := x.s.update(ctx, x.marks, updates); err != nil {
		return x.s.fail("marking conversations as indexed", err)
	}
	return nil
}

func (x *searchIndex) put(ctx context.Context, list []search.Doc) error {
	docs := make([]searchDoc, len(list))
	for i := range list {
		docs[i] = searchDocOf(&list[i])
	}
	present, err := insertMissing(ctx, x.docs, docs)
	if err != nil {
		return err
	}
	var updates []mongo.WriteModel
	for _, i := range present {
		d := &docs[i]
		set, unset := bson.D{{Key: "v", Value: d.Rev}}, bson.D{}
		if len(d.Terms) > 0 {
			set = append(set, bson.E{Key: "o", Value: d.Order}, bson.E{Key: "w", Value: d.Terms},
				bson.E{Key: "n", Value: d.Counts}, bson.E{Key: "l", Value: d.Len})
		} else {
			unset = bson.D{{Key: "w", Value: ""}, {Key: "n", Value: ""}, {Key: "l", Value: ""}}
		}
		update := bson.D{{Key: "$set", Value: set}}
		if len(unset) > 0 {
			update = append(update, bson.E{Key: "$unset", Value: unset})
		}
		updates = append(updates, updateOne(append(byID(d.ID), bson.E{Key: "v", Value: bson.D{{Key: "$lt", Value: d.Rev}}}), update))
	}
	return x.s.update(ctx, x.docs, updates)
}

// Marks implements [search.Index].
func (x *searchIndex) Marks(ctx context.Context, keys []chat.Key) (map[chat.Key]chat.Seq, error) {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = convID(key)
	}
	docs, err := find[markDoc](ctx, x.marks, anyOf(ids), options.Find())
	if err != nil {
		return nil, x.s.fail("reading marks", err)
	}
	marks := make(map[chat.Key]chat.Seq, len(docs))
	for _, d := range docs {
		marks[parseConvID(d.ID)] = chat.Seq(d.Seq)
	}
	return marks, nil
}

func (d *searchDoc) hit(f search.Filter) (h search.Hit, err error) {
	if h.Place, err = parseOrder(d.Order); err != nil || !f.Weights {
		return h, err
	}
	h.Len = int(d.Len)
	for _, term := range f.Terms {
		n := 1
		if i, ok := slices.BinarySearch(d.Terms, term); ok && i < len(d.Counts) {
			n = int(d.Counts[i])
		}
		h.Counts = append(h.Counts, n)
	}
	return h, nil
}
