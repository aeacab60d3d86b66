package wireproxy

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestDocuments(t *testing.T) {
	none, kind0, kind1 := []byte{0, 0, 0, 0}, []byte{0}, []byte{1}
	a, b := doc(t, bson.D{{Key: "_id", Value: "a"}}), doc(t, bson.D{{Key: "_id", Value: "b"}})
	sequence := append([]byte{byte(4 + len("documents") + 1 + len(a) + len(b)), 0, 0, 0}, "documents\x00"...)
	sequence = append(append(sequence, a...), b...)
	insert := doc(t, bson.D{{Key: "insert", Value: "messages"}})
	inside := doc(t, bson.D{{Key: "insert", Value: "messages"}, {Key: "documents", Value: bson.A{bson.Raw(a), bson.Raw(b)}}})
	for what, m := range map[string]message{
		"sequence behind the body": request(opMsg, none, kind0, insert, kind1, sequence),
		"sequence before the body": request(opMsg, none, kind1, sequence, kind0, insert),
		"array inside the command": request(opMsg, none, kind0, inside),
	} {
		docs, err := m.documents()
		if err != nil || len(docs) != 2 || docs[0].Lookup("_id").StringValue() != "a" || docs[1].Lookup("_id").StringValue() != "b" {
			t.Errorf("%s: %v, %v", what, docs, err)
		}
	}
	if docs, err := request(opMsg, none, kind0, insert).documents(); err == nil {
		t.Errorf("an insert of nothing has %v", docs)
	}
}

// What is hidden is left out of majority reads of its collection, and of nothing
// else, until it is told otherwise.
func TestBlindfold(t *testing.T) {
	none, kind0 := []byte{0, 0, 0, 0}, []byte{0}
	find := func(collection, level string) (message, bson.Raw) {
		raw := doc(t, bson.D{
			{Key: "find", Value: collection}, {Key: "filter", Value: bson.D{{Key: "c", Value: "x"}}}, {Key: "limit", Value: 7},
			{Key: "readConcern", Value: bson.D{{Key: "level", Value: level}}},
		})
		return request(opMsg, none, kind0, raw), raw
	}
	insert := request(opMsg, none, kind0, doc(t, bson.D{
		{Key: "insert", Value: "messages"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: "m1"}}}},
	}))
	ok := reply(7, doc(t, bson.D{{Key: "n", Value: 1}, {Key: "ok", Value: 1.0}}))
	p := New(Options{})
	until := make(chan struct{})
	if err := p.hide("messages", insert, until); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		collection, level string
		blind             bool
	}{{"messages", "majority", true}, {"messages", "local", false}, {"members", "majority", false}} {
		req, command := find(c.collection, c.level)
		got, err := p.blindfold(req, command)
		if err != nil {
			t.Fatal(err)
		}
		body, err := got.body()
		if err != nil || got.requestID() != req.requestID() {
			t.Fatal(body, err)
		}
		list, _ := body.Lookup("filter", "$and").ArrayOK()
		if blind := len(list) > 0; blind != c.blind || body.Lookup("limit").AsInt64() != 7 {
			t.Errorf("%s %s became %v", c.collection, c.level, body)
		}
	}
	if res, err := p.unconfirmed(ok, "update"); err != nil || string(res) == string(ok) {
		t.Errorf("a write is confirmed: %v", err)
	}
	if res, err := p.unconfirmed(ok, "find"); err != nil || string(res) != string(ok) {
		t.Errorf("a read needs no majority behind it: %v", err)
	}
	close(until)
	req, command := find("messages", "majority")
	if got, err := p.blindfold(req, command); err != nil || string(got) != string(req) {
		t.Errorf("still hidden: %v", err)
	}
	if res, err := p.unconfirmed(ok, "update"); err != nil || string(res) != string(ok) {
		t.Errorf("a write is not confirmed: %v", err)
	}
}

// A linearizable read waits for what is hidden in its collection, as long as it says.
func TestLinearizableReadsWait(t *testing.T) {
	find := func(collection, level string, ms int64) bson.Raw {
		return doc(t, bson.D{
			{Key: "find", Value: collection}, {Key: "maxTimeMS", Value: ms}, {Key: "readConcern", Value: bson.D{{Key: "level", Value: level}}},
		})
	}
	insert := request(opMsg, []byte{0, 0, 0, 0}, []byte{0}, doc(t, bson.D{
		{Key: "insert", Value: "messages"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: "m1"}}}},
	}))
	p, until := New(Options{}), make(chan struct{})
	if err := p.hide("messages", insert, until); err != nil {
		t.Fatal(err)
	}
	if !p.majority(t.Context(), find("messages", "linearizable", 1)) {
		t.Error("answered without a majority")
	}
	if p.majority(t.Context(), find("messages", "majority", 1)) || p.majority(t.Context(), find("members", "linearizable", 1)) {
		t.Error("another read waits")
	}
	close(until)
	if p.majority(t.Context(), find("messages", "linearizable", 0)) {
		t.Error("still hidden")
	}
}
