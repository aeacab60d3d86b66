package costs

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/generated"
	"github.com/parley-chat/parley/services/parley/internal/talk"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

// TestTimes has a user with many conversations connect and list, on the embedded
// store: everything must come. With PARLEY_WRITE_COSTS set (make costs) the times
// go into docs/costs.md; they are not judged, for the machine has other work.
func TestTimes(t *testing.T) {
	dir := t.TempDir()
	s, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	seedStore(t, s, "alice", 0, many, 1)
	readAll(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := allinone.Start(t.Context(), allinone.Options{Data: dir, NoSearch: true, DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, Talker: talk.Talker{T: t, Token: c.Token}, url: c.URLs[0]}

	var table strings.Builder
	table.WriteString("| with 5,000 conversations | median of 5 |\n|---|--:|\n")
	timed := func(what string, act func(i int)) {
		var took []time.Duration
		for i := range 5 {
			begin := time.Now()
			act(i)
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		fmt.Fprintf(&table, "| %s | %.0f ms |\n", what, took[2].Seconds()*1000)
	}
	timed("connect a new device that has nothing to get, until `synced`", func(i int) { w.login("alice", fmt.Sprint("new", i)).Close() })
	timed("connect, nothing new, until `synced`", func(int) { w.login("alice", "new0").Close() })
	var first wire.List[wire.Conversation]
	timed("conversation list, first page of 50", func(int) {
		first = wire.List[wire.Conversation]{}
		w.get("alice", "/v1/conversations", &first)
	})
	if len(first.Items) != 50 || first.Next == "" {
		t.Errorf("%d items, next %q", len(first.Items), first.Next)
	}
	timed("conversation list, second page of 50", func(int) { w.get("alice", "/v1/conversations?cursor="+first.Next, nil) })
	if writing {
		if err := generated.ReplaceFile(document, "make costs, times", table.String()); err != nil {
			t.Fatal(err)
		}
	}
}
