// Package contain keeps a panic in a loop of the pod from ending the pod, and with it
// all its sessions: the unit of work that panics fails, with an error like any other,
// and the loop goes on with the next one.
//
// What is handed to it must leave nothing behind when it panics: locks that it takes are
// released by defer, and what it has claimed is given back by whoever gets the error. It
// contains no fatal errors of the runtime, such as a map that is written concurrently.
package contain

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// ErrPanicked is wrapped by the error that a panic becomes.
var ErrPanicked = errors.New("it panicked")

// Panics counts what it contains. The zero value is ready, and safe for concurrent use.
type Panics struct{ n atomic.Uint64 }

// Do calls fn and returns its error. A panic is logged once, with its stack, as one of
// what; its error wraps [ErrPanicked].
func (p *Panics) Do(log *slog.Logger, what string, fn func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			p.n.Add(1)
			log.Error(what+" panicked", "panic", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", ErrPanicked, cause)
		}
	}()
	return fn()
}

// Load is how many there were.
func (p *Panics) Load() uint64 { return p.n.Load() }
