// Package pushlog is the record of what became of pushes, as JSON lines: workers
// that push, and receivers in tests, write it, and `parley verify --push-log` judges
// it. It knows nothing of how a push is made.
//
// A job goes from new to done or dead (DESIGN §8). Attempts are numbered from 1, and
// the number is the fence: only the attempt that was leased last may end the job. A
// dead letter can be replayed, and then has later attempts. Nothing that is judged
// rests on the order of lines or on clocks, so several processes may append to one
// file, or their files may be put one behind the other.
package pushlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

// Event is what a line tells.
type Event string

// The events. New to Replayed are written by whoever changes the job in the store,
// and only after the store has confirmed the change: an attempt to end a job that
// the fence refused is no event.
const (
	New      Event = "new"      // the job was written, for Conv, Seq and To
	Leased   Event = "leased"   // Worker has won Attempt
	Answered Event = "answered" // the endpoint answered Attempt with Status; 0: it did not
	Done     Event = "done"     // Attempt has ended the job with a success
	Dead     Event = "dead"     // Attempt has ended the job as a dead letter, for Reason
	Replayed Event = "replayed" // the dead letter of Attempt was put back
	Received Event = "received" // written by a receiver: it answered Attempt (0: not told) with 2xx
)

// Job names one push: of one entry to one endpoint or device.
type Job string

// Record is one line.
type Record struct {
	Time  time.Time `json:"time"` // for people; nothing is judged by it
	Event Event     `json:"event"`
	Job   Job       `json:"job"`

	Conv chat.ConvID `json:"conv,omitempty"` // new
	Seq  chat.Seq    `json:"seq,omitzero"`   // new
	To   string      `json:"to,omitempty"`   // new: the endpoint or device, never a secret

	Attempt int    `json:"attempt,omitzero"`
	Worker  string `json:"worker,omitempty"` // leased
	Status  int    `json:"status,omitzero"`  // answered: the HTTP status
	Reason  string `json:"reason,omitempty"` // dead
}

// check says what a record lacks.
func (r *Record) check() error {
	switch r.Event {
	case New:
		if r.Conv == "" || r.Seq < 1 || r.To == "" {
			return errors.New(`"new" needs "conv", "seq" and "to"`)
		}
	case Leased, Answered, Done, Dead, Replayed:
		if r.Attempt < 1 {
			return fmt.Errorf(`%q needs "attempt"`, r.Event)
		}
	case Received:
	default:
		return fmt.Errorf("unknown event %q", r.Event)
	}
	if r.Job == "" {
		return errors.New(`"job" is missing`)
	}
	return nil
}

// Writer appends records. It is safe for concurrent use, and, over a file opened
// with O_APPEND, together with other processes: each record is one write.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter writes to w, which stays the caller's to close.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Add writes a record, with the present time where it has none. It blocks as long
// as the write does. A record that lacks something is an error, and not written.
func (w *Writer) Add(r Record) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("push log: %w", err)
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	line, err := json.Marshal(&r)
	if err != nil {
		return fmt.Errorf("encode push record: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write push record: %w", err)
	}
	return nil
}

// maxLine bounds a line in bytes.
const maxLine = 64 << 10

// Read reads all records. An error names the line that is none; unknown fields are
// taken for those of a later version.
func Read(r io.Reader) ([]Record, error) {
	records := []Record{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var rec Record
		err := json.Unmarshal(lines.Bytes(), &rec)
		if err == nil {
			err = rec.check()
		}
		if err != nil {
			return nil, fmt.Errorf("push log, line %d: %w", n, err)
		}
		records = append(records, rec)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read push log: %w", err)
	}
	return records, nil
}
