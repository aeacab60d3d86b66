package mongomem_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a server that tells what its commands did, and a database there.
type watched struct {
	*mongo.Database
	mu   sync.Mutex
	last mongomem.Command
}

func serve(t *testing.T) *watched {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{}
	server := mongomem.New()
	server.Observe = func(c mongomem.Command) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last = c
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + ln.Addr().String() + "/").
		SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion1)).SetTimeout(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	w.Database = client.Database("test")
	return w
}

// did is what the last command did.
func (w *watched) did() mongomem.Command {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func ids(t *testing.T, c *mongo.Collection, filter any, o ...options.Lister[options.FindOptions]) []any {
	t.Helper()
	cursor, err := c.Find(t.Context(), filter, o...)
	if err != nil {
		t.Fatal(err)
	}
	var docs []bson.D
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	list := make([]any, len(docs))
	for i, d := range docs {
		list[i] = d[0].Value
	}
	return list
}

func by(keys ...string) bson.D {
	var d bson.D
	for _, k := range keys {
		d = append(d, bson.E{Key: k, Value: 1})
	}
	return d
}

func TestIDsOfEveryType(t *testing.T) {
	c := serve(t).Collection("c")
	want := []any{
		nil, int32(-3), int64(2), 2.5, int64(1 << 53), "", "a\x00b", "b", bson.D{{Key: "b", Value: "x"}, {Key: "a", Value: int32(1)}},
		bson.Binary{Data: []byte{9}}, bson.Binary{Subtype: 4, Data: make([]byte, 16)}, bson.Binary{Data: make([]byte, 300)},
		bson.ObjectID{1, 2}, false, true, bson.DateTime(5), bson.Timestamp{T: 5},
	}
	for _, i := range []int{7, 3, 11, 0, 16, 9, 1, 13, 5, 10, 2, 14, 8, 6, 4, 12, 15} {
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: want[i]}, {Key: "n", Value: i}}); err != nil {
			t.Fatalf("%v: %v", want[i], err)
		}
	}
	if got := ids(t, c, bson.D{}, options.Find().SetSort(by("_id"))); !reflect.DeepEqual(got, want) {
		t.Errorf("in order: %v", got)
	}
	back := slices.Clone(want)
	slices.Reverse(back)
	if got := ids(t, c, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}})); !reflect.DeepEqual(got, back) {
		t.Errorf("backwards: %v", got)
	}
	for i, id := range want {
		if got := ids(t, c, bson.D{{Key: "_id", Value: id}}); len(got) != 1 || !reflect.DeepEqual(got[0], id) {
			t.Errorf("%v: found %v", id, got)
		}
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); !mongo.IsDuplicateKeyError(err) {
			t.Errorf("%v again: %v", id, err)
		}
		res, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: id}, {Key: "n", Value: i}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 100}}}})
		if err != nil || res.ModifiedCount != 1 {
			t.Errorf("%v: updated %+v, %v", id, res, err)
		}
	}
	for _, same := range []any{int64(-3), 2.0, float64(1 << 53)} {
		if got := ids(t, c, bson.D{{Key: "_id", Value: same}}); len(got) != 1 {
			t.Errorf("%v: found %v", same, got)
		}
	}
	for _, bad := range []any{bson.A{1}, bson.Regex{Pattern: "x"}} {
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: bad}}); err == nil {
			t.Errorf("%v was taken as an _id", bad)
		}
	}
	for _, id := range want {
		if res, err := c.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil || res.DeletedCount != 1 {
			t.Errorf("%v: deleted %+v, %v", id, res, err)
		}
	}
	if got := ids(t, c, bson.D{}); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// A range is one within a type.
func TestRangesOfIDs(t *testing.T) {
	c := serve(t).Collection("c")
	for _, id := range []any{int32(1), int64(2), 3.5, "1", "2", true, bson.DateTime(1)} {
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []struct {
		ops  bson.D
		want []any
	}{
		{bson.D{{Key: "$gt", Value: 1}}, []any{int64(2), 3.5}},
		{bson.D{{Key: "$gte", Value: 1}, {Key: "$lt", Value: 3.5}}, []any{int32(1), int64(2)}},
		{bson.D{{Key: "$lte", Value: 3.5}}, []any{int32(1), int64(2), 3.5}},
		{bson.D{{Key: "$gte", Value: ""}}, []any{"1", "2"}},
		{bson.D{{Key: "$gt", Value: "1"}}, []any{"2"}},
		{bson.D{{Key: "$in", Value: bson.A{"2", 2, true}}}, []any{int64(2), "2", true}},
		{bson.D{{Key: "$ne", Value: 2}}, []any{int32(1), 3.5, "1", "2", true, bson.DateTime(1)}},
	} {
		if got := ids(t, c, bson.D{{Key: "_id", Value: r.ops}}, options.Find().SetSort(by("_id"))); !reflect.DeepEqual(got, r.want) {
			t.Errorf("%v: %v", r.ops, got)
		}
	}
}

// Upserts take the _id from the filter, or are given one by the driver's rules.
func TestUpsertWithAnyID(t *testing.T) {
	c := serve(t).Collection("c")
	for _, id := range []any{int64(7), bson.D{{Key: "k", Value: "v"}}, bson.Binary{Data: []byte{1}}} {
		for n := range int64(2) {
			res, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$max", Value: bson.D{{Key: "n", Value: n}}}}, options.UpdateOne().SetUpsert(true))
			if err != nil || res.UpsertedCount != 1-n {
				t.Fatalf("%v, %d: %+v, %v", id, n, res, err)
			}
			if n == 0 && !reflect.DeepEqual(res.UpsertedID, id) {
				t.Errorf("%v was upserted as %v", id, res.UpsertedID)
			}
		}
	}
}

// posts are what search keeps: 4 conversations, 30 posts each, one in 5 of them rare.
func posts(t *testing.T, w *watched) *mongo.Collection {
	t.Helper()
	c := w.Collection("posts")
	if _, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: by("c", "w", "o")}); err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		words := bson.A{"all"}
		if i%5 == 0 {
			words = append(words, "rare")
		}
		_, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: int64(i)}, {Key: "c", Value: fmt.Sprint("c", i%4)}, {Key: "w", Value: words}, {Key: "o", Value: i}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// What is sorted by the field behind single values is merged, and stops at the
// limit: only that much is read.
func TestMergeStopsAtTheLimit(t *testing.T) {
	w := serve(t)
	c := posts(t, w)
	filter := bson.D{{Key: "c", Value: bson.D{{Key: "$in", Value: bson.A{"c3", "c0", "c1", "none"}}}}, {Key: "w", Value: "all"}, {Key: "o", Value: bson.D{{Key: "$gte", Value: 8}}}}
	o := func() *options.FindOptionsBuilder { return options.Find().SetSort(by("o")).SetHint(by("c", "w", "o")) }
	if got := ids(t, c, filter, o().SetLimit(5)); !reflect.DeepEqual(got, []any{int64(8), int64(9), int64(11), int64(12), int64(13)}) {
		t.Errorf("found %v", got)
	}
	if did := w.did(); did.Keys != 5 || did.Examined != 5 || did.Sorted != 0 || !slices.Equal(did.Indexes, []string{"c_1_w_1_o_1"}) {
		t.Errorf("did %+v", did)
	}
	// Backwards, and with a part left out.
	if got := ids(t, c, filter, o().SetSort(bson.D{{Key: "o", Value: -1}}).SetSkip(2).SetLimit(2)); !reflect.DeepEqual(got, []any{int64(116), int64(115)}) {
		t.Errorf("backwards %v", got)
	}
	// What the index knows is not read from documents.
	ids(t, c, filter, o().SetSkip(6).SetLimit(1).SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "o", Value: 1}}))
	if did := w.did(); did.Keys != 7 || did.Examined != 0 {
		t.Errorf("covered: did %+v", did)
	}
	// Several values of an array: one of them is looked up, the others are looked at.
	both := bson.D{{Key: "c", Value: "c0"}, {Key: "w", Value: bson.D{{Key: "$all", Value: bson.A{"rare", "all"}}}}}
	if got := ids(t, c, both, o().SetLimit(3)); !reflect.DeepEqual(got, []any{int64(0), int64(20), int64(40)}) {
		t.Errorf("both: %v", got)
	}
	if did := w.did(); did.Keys != 3 || did.Examined != 3 {
		t.Errorf("both: did %+v", did)
	}
}

// Too many ranges to merge are read whole and sorted, as on MongoDB.
func TestTooManyRangesAreSorted(t *testing.T) {
	w := serve(t)
	c := posts(t, w)
	var convs bson.A
	for i := range 201 {
		convs = append(convs, fmt.Sprint("c", i))
	}
	filter := bson.D{{Key: "c", Value: bson.D{{Key: "$in", Value: convs}}}, {Key: "w", Value: "all"}}
	if got := ids(t, c, filter, options.Find().SetSort(by("o")).SetLimit(2)); !reflect.DeepEqual(got, []any{int64(0), int64(1)}) {
		t.Errorf("found %v", got)
	}
	if did := w.did(); did.Keys != 120 || did.Sorted != 120 {
		t.Errorf("did %+v", did)
	}
}

func TestHintWithoutIndex(t *testing.T) {
	w := serve(t)
	c := posts(t, w)
	if _, err := c.Find(t.Context(), bson.D{}, options.Find().SetHint(by("nothing"))); err == nil {
		t.Error("a hint that names no index was taken")
	}
	if got := ids(t, w.Collection("not there"), bson.D{}, options.Find().SetHint(by("nothing"))); len(got) != 0 {
		t.Errorf("found %v where there is nothing", got)
	}
	if err := c.Drop(t.Context()); err != nil {
		t.Error(err)
	}
	if got := ids(t, c, bson.D{}); len(got) != 0 {
		t.Errorf("dropped, and there is %v", got)
	}
}

// The time that a client allows is noticed.
func TestMaxTime(t *testing.T) {
	w := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := w.Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	if did := w.did(); did.Name != "insert" || did.Got == 0 || did.Sent == 0 {
		t.Errorf("did %+v", did)
	}
}
