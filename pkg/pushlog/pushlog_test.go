package pushlog

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	want := []Record{
		{Time: at, Event: New, Job: "j1", Conv: "g_abcdefghijklmnopqrstuvwxyz", Seq: 7, To: "hook-1"},
		{Time: at, Event: Leased, Job: "j1", Attempt: 1, Worker: "w1"},
		{Time: at, Event: Answered, Job: "j1", Attempt: 1, Status: 503},
		{Time: at, Event: Dead, Job: "j1", Attempt: 1, Reason: "no tries left"},
		{Time: at, Event: Replayed, Job: "j1", Attempt: 1},
		{Time: at, Event: Received, Job: "j1"},
		{Time: at, Event: Done, Job: "j1", Attempt: 2},
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, r := range want {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for what, line := range map[string]string{
		"no JSON":          `job 1 done`,
		"cut short":        `{"event":"done","job":"j"`,
		"no job":           `{"event":"done","attempt":1}`,
		"no attempt":       `{"event":"done","job":"j"}`,
		"no entry":         `{"event":"new","job":"j","to":"x"}`,
		"unknown event":    `{"event":"lost","job":"j"}`,
		"negative attempt": `{"event":"dead","job":"j","attempt":-1}`,
		"endless":          strings.Repeat("x", maxLine+1),
	} {
		good := `{"event":"received","job":"j","later":true}` + "\n\n"
		records, err := Read(strings.NewReader(good + line))
		if err == nil || records != nil || what != "endless" && !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%s: %+v, %v", what, records, err)
		}
	}
	if records, err := Read(strings.NewReader("")); err != nil || records == nil {
		t.Errorf("nothing: %v, %v", records, err)
	}
}

func TestWriterRefuses(t *testing.T) {
	var b bytes.Buffer
	if err := NewWriter(&b).Add(Record{Event: Done, Job: "j"}); err == nil || b.Len() > 0 {
		t.Errorf("wrote %q, %v", &b, err)
	}
	broken := errors.New("no space")
	if err := NewWriter(failing{broken}).Add(Record{Event: Received, Job: "j"}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// single fails if a record comes in more than one write.
type single struct {
	t *testing.T
	bytes.Buffer
}

func (s *single) Write(b []byte) (int, error) {
	if bytes.Count(b, []byte("\n")) != 1 || !bytes.HasSuffix(b, []byte("}\n")) {
		s.t.Errorf("written %q", b)
	}
	return s.Buffer.Write(b)
}

func TestConcurrentWriters(t *testing.T) {
	b := &single{t: t}
	w := NewWriter(b)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 50 {
				if err := w.Add(Record{Event: Leased, Job: "j", Attempt: n + 1, Worker: "w"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if records, err := Read(&b.Buffer); err != nil || len(records) != 400 {
		t.Errorf("%d records, %v", len(records), err)
	}
}
