package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// script is a client that others drive: frames in, frames out.
type script struct {
	Options
	c     *client.Client
	tally tally

	mu     sync.Mutex
	refs   map[string]bool // questions without an answer
	none   chan struct{}   // signals that refs became empty
	serial int
}

// JSON prints every frame of the server as one line, and sends what it reads:
// frames as JSON objects, and other lines as texts to Options.To or Conv. Commands
// are repeated by the client until they have an outcome, so every one needs a cmid;
// other frames are sent once, and may overtake commands that wait.
//
// It returns when the input has ended and everything has an answer (with Follow:
// when ctx ends), or with what stood in the way.
func JSON(ctx context.Context, o Options) error {
	o.withDefaults()
	s := &script{Options: o, refs: map[string]bool{}, none: make(chan struct{}, 1)}
	s.tally.report = func(sent *client.Sent, err error) { s.complain(string(sent.CMID), err) }
	o.Client.Trace.Read = func(_ int, frame any, raw []byte) { s.read(frame, raw) }
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := client.Start(context.WithoutCancel(ctx), o.Client)
	if err != nil {
		return err
	}
	defer c.Close()
	s.c = c
	typed := lines(ctx, o.In)
	for {
		select {
		case in := <-typed:
			if in.err == nil {
				s.line(ctx, strings.TrimSpace(in.line))
				continue
			}
			if s.Follow {
				typed = nil
				continue
			}
			if errors.Is(in.err, io.EOF) {
				in.err = nil
			}
			return errors.Join(in.err, s.finish(ctx))
		case <-c.Done():
			return reason(c.Err())
		case <-ctx.Done():
			return nil
		}
	}
}

// read prints a frame and looks whether it is an answer.
func (s *script) read(frame any, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.Out.Write(append(raw[:len(raw):len(raw)], '\n')) // who reads has gone: then the input ends, too
	ref := ""
	switch f := frame.(type) {
	case *wire.Page[wire.Entry]:
		ref = f.Ref
	case *wire.Pong:
		ref = f.Ref
	case *wire.Error:
		ref = f.Ref
	}
	if delete(s.refs, ref); len(s.refs) == 0 {
		select {
		case s.none <- struct{}{}:
		default:
		}
	}
}

// line sends one line.
func (s *script) line(ctx context.Context, line string) {
	switch {
	case line == "":
	case line[0] == '{':
		f, ref, cerr := wire.Decode([]byte(line), chat.Limits{}.WithDefaults())
		if cerr != nil {
			s.fail(ref, cerr)
			return
		}
		s.frame(ctx, f, ref)
	case s.To == "" && s.Conv == "":
		s.fail("", errors.New("a line of text needs --to or --conv"))
	default:
		m := client.Message{Text: line, CMID: client.NewCMID()}
		err := s.tally.submit(ctx, func() (*client.Sent, error) {
			if s.To != "" {
				return s.c.SendTo(s.To, m)
			}
			return s.c.SendConv(s.Conv, m)
		})
		if err != nil {
			s.complain(string(m.CMID), err)
		}
	}
}

func (s *script) frame(ctx context.Context, f wire.Frame, ref string) {
	var err error
	switch f := f.(type) {
	case *wire.Send, *wire.Edit, *wire.Recall, *wire.React:
		if err = s.tally.submit(ctx, func() (*client.Sent, error) { return s.c.Submit(f) }); err != nil {
			s.complain(ref, err)
		}
		return
	case *wire.History:
		f.Ref = s.ask(ref)
	case *wire.Ping:
		f.Ref = s.ask(ref)
	}
	if err = s.c.Post(ctx, f); err != nil {
		s.fail(ref, err)
	}
}

// ask notes that an answer is to come.
func (s *script) ask(ref string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref == "" {
		s.serial++
		ref = fmt.Sprintf("line:%d", s.serial)
	}
	s.refs[ref] = true
	return ref
}

func (s *script) fail(ref string, err error) {
	s.tally.failed++
	s.complain(ref, err)
}

func (s *script) complain(ref string, err error) {
	fmt.Fprintf(s.Err, "not sent %s: %v\n", ref, err)
}

// finish waits for what has no answer yet.
func (s *script) finish(ctx context.Context) error {
	failed := s.tally.finish(ctx, s.Answers)
	ctx, cancel := context.WithTimeout(ctx, s.Answers)
	defer cancel()
	for {
		s.mu.Lock()
		open := len(s.refs)
		s.mu.Unlock()
		if open == 0 {
			return failed
		}
		select {
		case <-s.none:
		case <-s.c.Done():
			return errors.Join(failed, reason(s.c.Err()))
		case <-ctx.Done():
			return errors.Join(failed, fmt.Errorf("%d questions have no answer", open))
		}
	}
}
