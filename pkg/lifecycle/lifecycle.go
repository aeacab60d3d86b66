// Package lifecycle is how a binary starts and stops: it waits for what it
// needs, and undoes in reverse order what it has built.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Stack is a list of named cleanups. Wiring code adds one on the line after each
// construction; [Stack.Close] runs them last to first. The zero value is ready to
// use, and all methods are safe for concurrent use.
type Stack struct {
	// Log gets one line per cleanup, with its duration. Nil: nothing is logged.
	Log *slog.Logger

	mu       sync.Mutex
	cleanups []cleanup
}

type cleanup struct {
	name string
	run  func(context.Context) error
}

// Add registers fn to be run by the next [Stack.Close]. The context that it gets
// is Close's; fn should return soon after that has ended.
func (s *Stack) Add(name string, fn func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, cleanup{name, fn})
}

// Close runs all cleanups, the last one added first, each after the one before
// it has returned. It blocks until they are done; when ctx ends, it no longer
// waits for the one that is running, reports that one by name, and still starts
// the rest, with the ended context and a second each. The errors are joined, each
// with the name of its cleanup; a panic counts as an error.
//
// A second Close runs only what was added since.
func (s *Stack) Close(ctx context.Context) error {
	s.mu.Lock()
	todo := s.cleanups
	s.cleanups = nil
	s.mu.Unlock()

	log := orDiscard(s.Log)
	var errs []error
	for i := len(todo) - 1; i >= 0; i-- {
		start := time.Now()
		err := todo[i].runWithin(ctx)
		took := time.Since(start).Round(time.Millisecond)
		if err != nil {
			err = fmt.Errorf("close %s: %w", todo[i].name, err)
			errs = append(errs, err)
			log.Error("cleanup failed", "what", todo[i].name, "took", took, "error", err)
			continue
		}
		log.Info("closed", "what", todo[i].name, "took", took)
	}
	return errors.Join(errs...)
}

// afterEnd is what a cleanup gets once the time for all of them is over: enough
// to close a file or a socket, too little to hold up the exit.
const afterEnd = time.Second

// runWithin waits for the cleanup until ctx ends. One that overruns is left
// behind in its goroutine: the process is about to exit, and the others must have
// their turn.
func (c cleanup) runWithin(ctx context.Context) error {
	late := ctx.Err() != nil
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		done <- c.run(ctx)
	}()
	end := ctx.Done()
	if late {
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterEnd)
		defer cancel()
		end = bound.Done()
	}
	select {
	case err := <-done:
		return err
	case <-end:
	}
	select {
	case err := <-done: // both were ready: it did finish
		return err
	default:
	}
	if late {
		return errors.New("did not return after the time for all cleanups had ended")
	}
	return fmt.Errorf("did not finish in time: %w", context.Cause(ctx))
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
