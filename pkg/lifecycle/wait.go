package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// The pauses of [WaitFor]: they double from the first to the longest. Each is
// shortened by up to half at random, so that pods that start together do not
// knock together.
const (
	FirstPause   = 100 * time.Millisecond
	LongestPause = 5 * time.Second
)

// logEvery caps the log lines of one [WaitFor].
const logEvery = time.Second

// permanent marks an error that trying again cannot mend.
type permanent struct{ err error }

func (p permanent) Error() string { return p.err.Error() }
func (p permanent) Unwrap() error { return p.err }

// Permanent marks err as one that trying again cannot mend: [WaitFor] returns it
// at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// WaitFor calls try until it returns nil, with a growing pause after each failure.
// It blocks until then, until try's error is [Permanent], or until ctx ends; the
// error names what, and holds the end of ctx and try's last error before that. At most
// one line a second is logged ("waiting for mongodb: …; next try in …"), so errors of
// try must be fit for a log; log may be nil.
func WaitFor(ctx context.Context, log *slog.Logger, what string, try func(ctx context.Context) error) error {
	log = orDiscard(log)
	start := time.Now()
	var lastLine time.Time
	if ctx.Err() != nil {
		return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
	}
	var last error
	for pause := FirstPause; ; pause = min(2*pause, LongestPause) {
		err := try(ctx)
		if err == nil {
			if !lastLine.IsZero() {
				log.Info(what+" is there", "after", time.Since(start).Round(time.Millisecond))
			}
			return nil
		}
		if p := (permanent{}); errors.As(err, &p) {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if last == nil || ctx.Err() == nil { // what fails after the end only says that it has come
			last = err
		}
		wait := pause/2 + rand.N(pause/2+1)
		if lastLine.IsZero() || time.Since(lastLine) >= logEvery {
			lastLine = time.Now()
			log.Warn(fmt.Sprintf("waiting for %s: %v; next try in %v", what, err, wait.Round(time.Millisecond)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil { // perhaps in the moment in which the pause was over
			return fmt.Errorf("wait for %s: %w; last error: %w", what, context.Cause(ctx), last)
		}
	}
}
