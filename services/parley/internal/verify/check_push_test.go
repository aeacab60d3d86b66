package verify

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/pushlog"
)

// goodPushes is a log for the history of [good] in which every promise is kept: a
// push that succeeds at its third attempt (the endpoint was away, then a worker
// died after the answer), and one that was replayed out of the dead letters.
func goodPushes() []pushlog.Record {
	return []pushlog.Record{
		{Event: pushlog.New, Job: "a", Conv: group, Seq: 2, To: "hook"},
		{Event: pushlog.Leased, Job: "a", Attempt: 1, Worker: "w1"},
		{Event: pushlog.Answered, Job: "a", Attempt: 1, Status: 503},
		{Event: pushlog.Leased, Job: "a", Attempt: 2, Worker: "w1"},
		{Event: pushlog.Received, Job: "a", Attempt: 2},
		{Event: pushlog.Leased, Job: "a", Attempt: 3, Worker: "w2"},
		{Event: pushlog.Received, Job: "a", Attempt: 3},
		{Event: pushlog.Answered, Job: "a", Attempt: 3, Status: 204},
		{Event: pushlog.Done, Job: "a", Attempt: 3},
		{Event: pushlog.New, Job: "b", Conv: group, Seq: 3, To: "hook"},
		{Event: pushlog.Leased, Job: "b", Attempt: 1, Worker: "w1"},
		{Event: pushlog.Answered, Job: "b", Attempt: 1, Status: 410},
		{Event: pushlog.Dead, Job: "b", Attempt: 1, Reason: "410"},
		{Event: pushlog.Replayed, Job: "b", Attempt: 1},
		{Event: pushlog.Leased, Job: "b", Attempt: 2, Worker: "w1"},
		{Event: pushlog.Received, Job: "b"},
		{Event: pushlog.Answered, Job: "b", Attempt: 2, Status: 200},
		{Event: pushlog.Done, Job: "b", Attempt: 2},
		{Event: pushlog.New, Job: "of others", Conv: "g_otherotherotherotherother", Seq: 9, To: "hook"},
	}
}

func TestGoodPushes(t *testing.T) {
	h := good()
	h.Pushes = goodPushes()
	if v := Check(h); len(v.Counts) > 0 || v.Unjudged["I13"] != "" {
		t.Errorf("%+v", v)
	}
	slices.Reverse(h.Pushes) // of several files, in any order
	if v := Check(h); len(v.Counts) > 0 {
		t.Errorf("in another order: %+v", v)
	}
	h.Pushes = []pushlog.Record{}
	if v := Check(h); len(v.Counts) > 0 || v.Unjudged["I13"] != "" {
		t.Errorf("no pushes: %+v", v)
	}
	h.Pushes = nil
	if v := Check(h); v.Unjudged["I13"] != "no push log was given" {
		t.Errorf("no log: %+v", v)
	}
}

// Each case breaks the good log in one way.
func TestBadPushes(t *testing.T) {
	drop := func(log []pushlog.Record, job pushlog.Job, attempt int, events ...pushlog.Event) []pushlog.Record {
		return slices.DeleteFunc(log, func(r pushlog.Record) bool {
			return r.Job == job && slices.Contains(events, r.Event) && (attempt == 0 || r.Attempt == attempt)
		})
	}
	more := func(log []pushlog.Record, r ...pushlog.Record) []pushlog.Record { return append(log, r...) }
	for _, c := range []struct {
		name, want string
		lines      int // of the trace
		spoil      func(log []pushlog.Record) []pushlog.Record
	}{
		{"two successes under different attempts", "ended twice, by the attempts 2 and 3", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(log, pushlog.Record{Event: pushlog.Answered, Job: "a", Attempt: 2, Status: 200},
				pushlog.Record{Event: pushlog.Done, Job: "a", Attempt: 2})
		}},
		{"ended by an attempt that had lost its lease", "ended by attempt 2, though attempt 3 was won", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(drop(log, "a", 3, pushlog.Answered, pushlog.Done), pushlog.Record{Event: pushlog.Answered, Job: "a", Attempt: 2, Status: 200},
				pushlog.Record{Event: pushlog.Done, Job: "a", Attempt: 2})
		}},
		{"an attempt won twice", "attempt 3 was won 2 times", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(log, pushlog.Record{Event: pushlog.Leased, Job: "a", Attempt: 3, Worker: "w3"})
		}},
		{"won again after its end", "ended by attempt 3, though attempt 4 was won", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(log, pushlog.Record{Event: pushlog.Leased, Job: "a", Attempt: 4, Worker: "w3"})
		}},
		{"ended without a lease", "which nobody had won", 2, func(log []pushlog.Record) []pushlog.Record {
			return drop(log, "a", 3, pushlog.Leased)
		}},
		{"no end", "no end", 2, func(log []pushlog.Record) []pushlog.Record { return drop(log, "a", 3, pushlog.Done) }},
		{"never tried", "no end", 1, func(log []pushlog.Record) []pushlog.Record {
			return more(log, pushlog.Record{Event: pushlog.New, Job: "c", Conv: group, Seq: 4, To: "hook"})
		}},
		{"no end after a replay", "no end", 2, func(log []pushlog.Record) []pushlog.Record { return drop(log, "b", 2, pushlog.Done) }},
		{"success and dead letter of one attempt", "both a success and a dead letter", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(log, pushlog.Record{Event: pushlog.Dead, Job: "a", Attempt: 3, Reason: "late"})
		}},
		{"success after a dead letter that nobody put back", "both a success and a dead letter", 2, func(log []pushlog.Record) []pushlog.Record {
			return drop(log, "b", 1, pushlog.Replayed)
		}},
		{"two dead letters", "ended twice, by the attempts 1 and 2", 2, func(log []pushlog.Record) []pushlog.Record {
			log = drop(drop(log, "b", 1, pushlog.Replayed), "b", 2, pushlog.Done, pushlog.Answered)
			return more(log, pushlog.Record{Event: pushlog.Dead, Job: "b", Attempt: 2, Reason: "410"})
		}},
		{"a success that was none", "a success that the endpoint had not answered", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(drop(log, "a", 3, pushlog.Answered), pushlog.Record{Event: pushlog.Answered, Job: "a", Attempt: 3, Status: 500})
		}},
		{"a dead letter in spite of a success", "a dead letter, though the endpoint had answered", 2, func(log []pushlog.Record) []pushlog.Record {
			return more(drop(log, "a", 3, pushlog.Done), pushlog.Record{Event: pushlog.Dead, Job: "a", Attempt: 3, Reason: "?"})
		}},
		{"the receiver knows nothing", "its receiver knows nothing of", 2, func(log []pushlog.Record) []pushlog.Record {
			return drop(log, "b", 0, pushlog.Received)
		}},
		{"received more often than tried", "received 4 times in 3 attempts", 4, func(log []pushlog.Record) []pushlog.Record {
			return more(log, pushlog.Record{Event: pushlog.Received, Job: "a"}, pushlog.Record{Event: pushlog.Received, Job: "a"})
		}},
		{"for an entry that does not exist", "an entry that does not exist", 1, func(log []pushlog.Record) []pushlog.Record {
			log[0].Seq = 5
			return log
		}},
		{"an entry pushed twice", "is pushed to hook twice", 2, func(log []pushlog.Record) []pushlog.Record {
			log[9].Seq = 2
			return log
		}},
		{"out of nothing", "nobody has written down", 1, func(log []pushlog.Record) []pushlog.Record { return drop(log, "a", 0, pushlog.New) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good()
			h.Pushes = c.spoil(goodPushes())
			v := Check(h)
			i := slices.IndexFunc(v.Violations, func(v Violation) bool { return strings.Contains(v.What, c.want) })
			if i < 0 || v.Counts["I13"] == 0 || len(v.Counts) != 1 {
				t.Fatalf("not caught: %+v", v)
			}
			if f := v.Violations[i]; len(f.Trace) != c.lines {
				t.Errorf("trace %q", f.Trace)
			}
		})
	}
}

func TestPushesAreReported(t *testing.T) {
	text := func(log []pushlog.Record) string {
		h := good()
		h.Pushes = log
		var b strings.Builder
		if err := (&Report{Verdict: Check(h)}).WriteText(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if s := text(nil); !strings.Contains(s, "I13  every push ends in one success or one dead letter (not judged: no push log was given)") {
		t.Error(s)
	}
	if s := text(goodPushes()); !strings.Contains(s, "ok   I13") {
		t.Error(s)
	}
	s := text(goodPushes()[:4])
	if !strings.Contains(s, "FAIL I13") || !strings.Contains(s, "push a  leased attempt 2 by w1") {
		t.Error(s)
	}
}

// The log is read when the pushes have ended, and not before.
func TestPushLogIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pushes.jsonl")
	convs := good().Convs
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pushes(cancelled, path, convs); err == nil {
		t.Error("a file that is not there was read")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pushlog.NewWriter(f)
	log := goodPushes()
	for _, r := range log[:8] {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := pushes(cancelled, path, convs); err != nil || len(got) != 8 {
		t.Errorf("%d records, %v", len(got), err)
	}
	for _, r := range log[8:] {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := pushes(t.Context(), path, convs); err != nil || len(got) != len(log) {
		t.Errorf("%d records, %v", len(got), err)
	}
	if _, err := f.WriteString(`{"event":`); err != nil {
		t.Fatal(err)
	}
	if _, err := pushes(cancelled, path, convs); err == nil {
		t.Error("a broken file was read")
	}
}
