package mongostore

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

func bulkError(concern bool, codes ...int) error {
	e := mongo.BulkWriteException{}
	for i, code := range codes {
		if code != 0 {
			e.WriteErrors = append(e.WriteErrors, mongo.BulkWriteError{WriteError: mongo.WriteError{Index: i, Code: code}})
		}
	}
	if concern {
		e.WriteConcernError = &mongo.WriteConcernError{Code: 64}
	}
	return e
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		refused []int
		sure    bool
	}{
		{"duplicates", bulkError(false, 0, codeDuplicateKey, 0, codeDuplicateKey), []int{1, 3}, true},
		{"no majority", bulkError(true, 0, codeDuplicateKey), []int{1}, false},
		{"another error", bulkError(false, 0, codeDuplicateKey, 121), []int{1}, false},
		{"command error", mongo.CommandError{Code: 10107}, nil, false},
		{"no answer", context.DeadlineExceeded, nil, false},
	} {
		refused, sure := refusals(c.err)
		if !slices.Equal(refused, c.refused) || sure != c.sure {
			t.Errorf("%s: %v %v, want %v %v", c.name, refused, sure, c.refused, c.sure)
		}
	}
}

func TestEndOf(t *testing.T) {
	for _, c := range []struct {
		name       string
		err        error
		stop       int
		at, before store.Outcome
	}{
		{"duplicate", bulkError(false, 0, 0, codeDuplicateKey), 2, store.Duplicate, store.Stored},
		{"no majority", bulkError(true, 0, codeDuplicateKey), 1, store.Duplicate, store.Unknown},
		{"another error", bulkError(false, 0, 121), 1, store.Unknown, store.Stored},
		{"no majority alone", bulkError(true), -1, store.Unknown, store.Unknown},
		{"no answer", errors.New("connection reset"), -1, store.Unknown, store.Unknown},
	} {
		stop, at, before := endOf(c.err)
		if stop != c.stop || at != c.at || before != c.before {
			t.Errorf("%s: %d %v %v, want %d %v %v", c.name, stop, at, before, c.stop, c.at, c.before)
		}
	}
}

func TestSettle(t *testing.T) {
	const s, d, n, u = store.Stored, store.Duplicate, store.NotTried, store.Unknown
	for _, c := range []struct{ in, want []store.Outcome }{
		{[]store.Outcome{s, s}, []store.Outcome{s, s}},
		{[]store.Outcome{s, d, n}, []store.Outcome{s, d, n}},
		{[]store.Outcome{d, u, u}, []store.Outcome{d, n, n}},
		{[]store.Outcome{u, d, n}, []store.Outcome{u, u, u}},
		{[]store.Outcome{s, u, n}, []store.Outcome{s, u, u}},
	} {
		got := slices.Clone(c.in)
		if settle(got); !slices.Equal(got, c.want) {
			t.Errorf("%v became %v, want %v", c.in, got, c.want)
		}
	}
}

func TestSpans(t *testing.T) {
	a, b := chat.Key{NS: "_", Conv: "a"}, chat.Key{NS: "_", Conv: "b"}
	other := chat.Key{NS: "x", Conv: "b"} // a tenant's conversation of the same name
	spans := spansOf([]chat.Entry{{Key: a}, {Key: a}, {Key: b}, {Key: other}, {Key: other}})
	if want := []span{{0, 2}, {2, 3}, {3, 5}}; !slices.Equal(spans, want) {
		t.Fatalf("spans %v, want %v", spans, want)
	}
	for index, want := range []int{2, 2, 1, 0, 0} {
		if rest := spansAfter(spans, index); len(rest) != want {
			t.Errorf("after %d: %v", index, rest)
		}
	}
}
