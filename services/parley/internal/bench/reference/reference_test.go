package reference

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

// TestMain also is the program that serves the server's side.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := Serve(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func short(t *testing.T, pairs, inFlight int) Options {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Program: program, Scratch: t.TempDir(), Pairs: pairs, InFlight: inFlight, Warmup: time.Millisecond, Duration: 100 * time.Millisecond}
}

func TestEachRuns(t *testing.T) {
	for _, r := range Names() {
		for _, shape := range [][2]int{{9, 1}, {3, 5}} {
			o := short(t, shape[0], shape[1])
			if r[0] == "store-mongo" {
				if shape[1] > 1 {
					continue // one is slow enough
				}
				o.Duration = time.Second
			}
			res, err := Run(t.Context(), r[0], o)
			if err != nil {
				t.Error(err)
				continue
			}
			if res.Count == 0 || res.PerSecond == 0 || res.Reference != r[0] || res.Pairs != shape[0] || res.InFlight != shape[1] || res.Size != 200 {
				t.Errorf("%s: %+v", r[0], res)
			}
			left, err := os.ReadDir(o.Scratch)
			if err != nil || len(left) > 0 {
				t.Errorf("%s left %v, %v", r[0], left, err)
			}
		}
	}
}

// A loaded machine may be late, and catch up; but never is more sent than was due.
func TestRelayAtARate(t *testing.T) {
	o := short(t, 4, 1)
	o.Rate, o.Warmup, o.Duration = 500, 200*time.Millisecond, time.Second
	began := time.Now()
	res, err := Run(t.Context(), "relay", o)
	if err != nil {
		t.Fatal(err)
	}
	if due := int64(time.Since(began).Seconds()*500) + 1; res.Rate != 500 || res.Count < 1 || res.Count > due {
		t.Errorf("%d were due: %+v", due, res)
	}
}

func TestWhatDoesNotRun(t *testing.T) {
	o := short(t, 1, 1)
	o.Rate = 1
	if _, err := Run(t.Context(), "pebble", o); err == nil {
		t.Error("only relays have a rate")
	}
	o.Rate = 0
	if _, err := Run(t.Context(), "pigeons", o); err == nil {
		t.Error("there is no such reference")
	}
	o.Program = filepath.Join(o.Scratch, "none")
	if _, err := Run(t.Context(), "relay", o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, "relay-plain", short(t, 1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := Serve(t.Context(), "pigeons", strings.NewReader(""), os.Stdout); err == nil {
		t.Error("there is no such server")
	}
}

func TestInboxFindsWhatIsWrong(t *testing.T) {
	good := func(n int) []byte { return payload(nil, 7, n, 50) }
	in := inbox{pair: 7, size: 50}
	for n := 1; n <= 3; n++ {
		if err := in.check(good(n)); err != nil {
			t.Fatal(err)
		}
	}
	altered := good(4)
	altered[49] = '!'
	for what, b := range map[string][]byte{"doubled": good(3), "lost": good(5), "altered": altered, "another's": payload(nil, 8, 4, 50), "nothing": nil} {
		in := inbox{pair: 7, size: 50, got: 3}
		if err := in.check(b); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if n, err := pairOf(good(1)); n != 7 || err != nil {
		t.Errorf("pair %d, %v", n, err)
	}
	for _, b := range []string{"", "short", strings.Repeat("x", 40)} {
		if _, err := pairOf([]byte(b)); err == nil {
			t.Errorf("%q has no pair", b)
		}
	}
}

// The loop makes the batches that a committer would have with such a load.
func TestBatches(t *testing.T) {
	for _, c := range []struct{ pairs, inFlight, of, want int }{{200, 16, 4, 512}, {1000, 1, 4, 250}, {3, 5, 3, 5}, {1, 1000, 1, 128}} {
		w := newWriter(Options{Pairs: c.pairs, InFlight: c.inFlight, Size: 200}, 0, c.of)
		last := map[chat.Key]chat.Seq{}
		for range 20 {
			entries := w.fill()
			if len(entries) != c.want {
				t.Fatalf("%+v: %d entries", c, len(entries))
			}
			for _, e := range entries {
				if e.Seq != last[e.Key]+1 {
					t.Fatalf("%+v: seq %d after %d", c, e.Seq, last[e.Key])
				}
				last[e.Key] = e.Seq
			}
		}
	}
}

// Bare Pebble must write about as many bytes as the store does for the same
// entries, or it would be a reference for something else.
func TestBarePebbleWritesAsMuch(t *testing.T) {
	o := Options{Pairs: 200, InFlight: 16, Size: 200}
	const batches = 20
	dir := t.TempDir()
	s, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(o, 0, 1)
	if err := w.create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	before := walBytes(t, dir)
	for n := range batches {
		if _, err := w.append(t.Context(), s, uint64(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	ours := walBytes(t, dir) - before
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, MemTableSize: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	before = walBytes(t, dir)
	w = newWriter(o, 0, 1)
	for n := range batches {
		if err := commitBare(db, uint64(n+1), w.fill()); err != nil {
			t.Fatal(err)
		}
	}
	theirs := walBytes(t, dir) - before
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes in the store's log for an entry, %d in bare Pebble's", ours/(batches*batch), theirs/(batches*batch))
	if r := float64(theirs) / float64(ours); r < 0.9 || r > 1.1 {
		t.Errorf("bare Pebble writes %.2f of the store's bytes", r)
	}
}

// walBytes is how much is in a store's write-ahead logs.
func walBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".log" {
			return err
		}
		info, err := e.Info()
		sum += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
