package logs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/logs"
)

// A failure that hits everybody says so ten times in ten seconds, and how often it
// was; what else happens is not hidden by it.
func TestRepeatsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := logs.New(slog.NewTextHandler(&out, nil), logs.Options{})
		log := slog.New(h)
		for i := range 100_000 { // over a minute
			log.With("gateway", i%3).Warn("could not sync; trying again", "conv", fmt.Sprint("c", i), "error", "away")
			if i%10_000 == 0 {
				log.Error("something else")
			}
			time.Sleep(600 * time.Microsecond)
		}
		lines := strings.Count(out.String(), "could not sync")
		if lines < 55 || lines > 70 || h.Suppressed() != uint64(100_000-lines) {
			t.Errorf("%d lines, %d left out", lines, h.Suppressed())
		}
		if n := strings.Count(out.String(), "something else"); n != 10 {
			t.Errorf("%d of the others", n)
		}
		told := 0
		for line := range strings.Lines(out.String()) {
			var n int
			if _, after, ok := strings.Cut(line, " suppressed="); ok {
				if _, err := fmt.Sscan(after, &n); err != nil {
					t.Fatal(err)
				}
				told += n
			}
		}
		if told < 80_000 {
			t.Errorf("%d of those left out were told of", told)
		}
	})
}

// Levels count for themselves, and what is remembered is bounded.
func TestKindsAreBounded(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(logs.New(slog.NewTextHandler(&out, nil), logs.Options{Lines: 1, Every: time.Hour}))
	log.Info("a")
	log.Warn("a")
	log.Info("a")
	if n := strings.Count(out.String(), "msg=a"); n != 2 {
		t.Errorf("%d lines", n)
	}
	for i := range 5000 {
		log.Info(fmt.Sprint("message ", i))
	}
	if n := strings.Count(out.String(), "msg=\"message"); n != 5000 {
		t.Errorf("%d lines", n)
	}
}

func TestHandlerIsAHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return logs.New(slog.NewJSONHandler(&out, nil), logs.Options{})
	}, func(t *testing.T) map[string]any {
		var m map[string]any
		if err := json.Unmarshal(out.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	})
}
