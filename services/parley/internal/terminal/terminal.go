// Package terminal is Parley's client for the terminal: [Chat] for people and for
// lines from a pipe, [JSON] for scripts. What it shows of others is stripped of
// everything that could steer the terminal.
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
)

// Options are what both kinds of client need.
type Options struct {
	// Client says who and where. Its Handler and Trace are set here.
	Client client.Options
	Me     chat.User

	// To or Conv is where lines go; for [JSON] neither is needed.
	To   chat.User
	Conv chat.ConvID // for [Chat] with To: the conversation's id, which follows from the two users

	In       io.Reader
	Out, Err io.Writer

	// Interactive says that In and Out are a terminal: [Chat] shows the conversation.
	// Otherwise it sends what it reads and shows nothing.
	Interactive bool
	// Follow makes [JSON] stay after the end of In, until ctx ends.
	Follow bool
	// Answers is how long to wait at the end for what has no answer; default 30 s.
	Answers time.Duration
}

func (o *Options) withDefaults() {
	if o.Answers == 0 {
		o.Answers = 30 * time.Second
	}
}

// maxLine is the longest line that is read, in bytes.
const maxLine = 1 << 20

// input is a line that was read, or why there are no more.
type input struct {
	line string
	err  error // io.EOF at the end
}

// lines reads r line by line until it ends or ctx does. The goroutine may stay in
// a Read of a terminal for as long as that lasts: nothing can end it from outside.
func lines(ctx context.Context, r io.Reader) <-chan input {
	ch := make(chan input)
	go func() {
		give := func(in input) bool {
			select {
			case ch <- in:
				return true
			case <-ctx.Done():
				return false
			}
		}
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, maxLine)
		for sc.Scan() {
			if !give(input{line: sc.Text()}) {
				return
			}
		}
		err := sc.Err()
		if err == nil {
			err = io.EOF
		}
		give(input{err: err})
	}()
	return ch
}

// tally keeps the commands that have no outcome yet.
type tally struct {
	waiting []*client.Sent
	failed  int
	report  func(s *client.Sent, err error) // of each that failed
}

// add notes a command; those at the front that are done are looked at.
func (t *tally) add(s *client.Sent) {
	t.waiting = append(t.waiting, s)
	for len(t.waiting) > 0 {
		select {
		case <-t.waiting[0].Done():
			t.settle(context.Background())
		default:
			return
		}
	}
}

// settle waits for the oldest command.
func (t *tally) settle(ctx context.Context) {
	s := t.waiting[0]
	t.waiting = t.waiting[1:]
	if _, err := s.Wait(ctx); err != nil {
		t.failed++
		t.report(s, err)
	}
}

// submit sends, and waits for room where there is none.
func (t *tally) submit(ctx context.Context, send func() (*client.Sent, error)) error {
	for {
		s, err := send()
		switch {
		case err == nil:
			t.add(s)
			return nil
		case !errors.Is(err, client.ErrFull) || len(t.waiting) == 0 || ctx.Err() != nil:
			t.failed++
			return err
		}
		t.settle(ctx)
	}
}

// finish waits for all outcomes, at most for d, and says whether all are stored.
func (t *tally) finish(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for len(t.waiting) > 0 {
		t.settle(ctx)
	}
	if t.failed > 0 {
		return fmt.Errorf("%d messages were not sent, or it is not known whether they were", t.failed)
	}
	return nil
}

// reason says in a user's words why a client has ended.
func reason(err error) error {
	var ce *client.CloseError
	if errors.As(err, &ce) && ce.Code == chat.CloseReplaced {
		return errors.New("this device has connected elsewhere; give one of the two another --device")
	}
	return err
}
