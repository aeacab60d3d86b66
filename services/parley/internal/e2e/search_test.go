package e2e

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// searchFor asks the history service until it finds as many messages as wanted.
func searchFor(t *testing.T, user chat.User, q string, want int) []wire.SearchHit {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		var found list[wire.SearchHit]
		status := rest(t, "GET", "/v1/search?q="+url.QueryEscape(q), user, "", &found)
		if status == 200 && len(found.Items) == want {
			return found.Items
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q finds %d %+v, want %d", q, status, found.Items, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestSearchOverGateways(t *testing.T) {
	alice, bob := connect(t, 0, "e5-alice", "phone"), connect(t, 1, "e5-bob", "phone")
	welcome := make(chan []string, 1)
	c, err := client.Start(t.Context(), client.Options{
		URLs: []string{cluster.URLs()[2]}, Device: "tablet",
		Token: func(context.Context) (string, error) { return cluster.Token("e5-alice") },
		Handler: func(ev client.Event) {
			if f, ok := ev.(client.Frame); ok {
				if w, ok := f.Frame.(*wire.Welcome); ok {
					welcome <- w.Features
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if features := wait(t, welcome, "welcome"); !slices.Contains(features, "search") {
		t.Errorf("features %v", features)
	}
	first := alice.send(t, "e5-bob", "m1", "dinner at eight?")
	last := bob.send(t, "e5-alice", "m1", "yes: 晚饭 at the harbour, dinner for two")
	hits := searchFor(t, "e5-alice", "dinner", 2)
	if hits[0].ID != last.ID || hits[1].ID != first.ID {
		t.Errorf("%+v", hits)
	}
	if hits := searchFor(t, "e5-bob", `"dinner for" 晚饭`, 1); hits[0].ID != last.ID || len(hits[0].Snippet.Highlights) != 2 {
		t.Errorf("%+v", hits)
	}
	searchFor(t, "e5-mallory", "dinner", 0)
}
