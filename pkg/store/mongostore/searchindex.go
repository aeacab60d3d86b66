package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

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

const (
	// findConvs is how many conversations one command names: MongoDB merges at most
	// 200 ranges of an index, and sorts where there are more.
	findConvs = 100
	// findParts is how many commands one call has under way.
	findParts = 4
)

// Find implements [search.Index]. The conversations are asked for in parts, side
// by side; every part says how far it has looked, and only what comes before the
// nearest of these is an answer.
func (x *searchIndex) Find(ctx context.Context, f search.Filter) (search.Found, error) {
	parts := slices.Collect(slices.Chunk(f.In, findConvs))
	answers := make([]search.Found, len(parts))
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	slots := make(chan struct{}, findParts)
	for i, in := range parts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			part := f
			part.In, part.Look = in, max(f.Look/len(parts), 1)
			answers[i], errs[i] = x.findPart(ctx, part)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return search.Found{}, x.s.fail("searching", err)
	}
	return mergeFound(answers, f.Limit), nil
}

func mergeFound(parts []search.Found, limit int) (all search.Found) {
	for _, p := range parts {
		all.Hits = append(all.Hits, p.Hits...)
		if p.Next != nil && (all.Next == nil || p.Next.Compare(*all.Next) < 0) {
			all.Next = p.Next
		}
	}
	slices.SortFunc(all.Hits, func(a, b search.Hit) int { return a.Place.Compare(b.Place) })
	if all.Next != nil {
		end := slices.IndexFunc(all.Hits, func(h search.Hit) bool { return h.Place.Compare(*all.Next) >= 0 })
		if end >= 0 {
			all.Hits = all.Hits[:end]
		}
	}
	if len(all.Hits) > limit {
		all.Hits = all.Hits[:limit]
		next := all.Hits[limit-1].Place.Next()
		all.Next = &next
	}
	return all
}

// findPart finds in one part of the conversations. The server cannot be told to
// stop looking after a number of documents, so with several terms it is told where:
// at the place that so many messages with the first term reach to.
func (x *searchIndex) findPart(ctx context.Context, f search.Filter) (found search.Found, err error) {
	ids, order := make([]string, len(f.In)), orderRange(f)
	for i, in := range f.In {
		ids[i] = convID(chat.Key{NS: f.NS, Conv: in.Conv})
	}
	filter := func(w any) bson.D {
		d := bson.D{{Key: "c", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "w", Value: w}}
		if len(order) > 0 {
			d = append(d, bson.E{Key: "o", Value: order})
		}
		return d
	}
	if len(f.Terms) > 1 {
		end, err := find[searchDoc](ctx, x.docs, filter(f.Terms[0]), options.Find().SetHint(searchKeys).SetSort(ascending("o")).
			SetSkip(int64(f.Look)).SetLimit(1).SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "o", Value: 1}}))
		if err != nil {
			return found, err
		}
		if len(end) > 0 {
			next, err := parseOrder(end[0].Order)
			if err != nil {
				return found, err
			}
			found.Next = &next
			order = append(slices.DeleteFunc(order, func(e bson.E) bool { return e.Key == "$lt" }), bson.E{Key: "$lt", Value: end[0].Order})
		}
	}
	fields := bson.D{{Key: "o", Value: 1}}
	if f.Weights {
		fields = append(fields, bson.E{Key: "w", Value: 1}, bson.E{Key: "n", Value: 1}, bson.E{Key: "l", Value: 1})
	}
	all := append(filter(bson.D{{Key: "$all", Value: f.Terms}}), scopes(f)...)
	docs, err := find[searchDoc](ctx, x.docs, all, options.Find().SetHint(searchKeys).
		SetSort(ascending("o")).SetLimit(int64(f.Limit)+1).SetProjection(fields))
	if err != nil {
		return found, err
	}
	for i := range docs {
		h, err := docs[i].hit(f)
		if err != nil {
			return found, err
		}
		if len(found.Hits) == f.Limit {
			found.Next = &h.Place
			break
		}
		found.Hits = append(found.Hits, h)
	}
	return found, nil
}

// scopes selects what is in the scopes of a filter, if that is not everything.
func scopes(f search.Filter) bson.D {
	var whole []string
	var any bson.A
	for _, in := range f.In {
		key := chat.Key{NS: f.NS, Conv: in.Conv}
		if in.Start <= 1 && in.End == 0 {
			whole = append(whole, convID(key))
			continue
		}
		end := in.End
		if end == 0 {
			end = chat.MaxSeq
		}
		any = append(any, bson.D{{Key: "_id", Value: bson.D{
			{Key: "$gte", Value: messageID(key, in.Start)}, {Key: "$lte", Value: messageID(key, end)},
		}}})
	}
	if len(any) == 0 {
		return nil
	}
	if len(whole) > 0 {
		any = append(any, bson.D{{Key: "c", Value: bson.D{{Key: "$in", Value: whole}}}})
	}
	return bson.D{{Key: "$or", Value: any}}
}

// orderRange is the part of the order that a filter selects.
func orderRange(f search.Filter) bson.D {
	var d bson.D
	low := ""
	if f.Until > 0 {
		low = orderTime(f.Until-1) + "/"
	}
	if f.From != (search.Place{}) {
		low = max(low, orderKey(f.From))
	}
	if low != "" {
		d = append(d, bson.E{Key: "$gte", Value: low})
	}
	if f.Since > 0 {
		d = append(d, bson.E{Key: "$lt", Value: orderTime(f.Since) + endOfPrefix})
	}
	return d
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
