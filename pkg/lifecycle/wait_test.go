package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/lifecycle"
)

func TestWaitForTriesUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var at []time.Duration
		start := time.Now()
		err := lifecycle.WaitFor(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "mongodb", func(context.Context) error {
			if at = append(at, time.Since(start)); len(at) < 12 {
				return errors.New("connection refused")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		pause := lifecycle.FirstPause
		for i := 1; i < len(at); i++ {
			if got := at[i] - at[i-1]; got < pause/2 || got > pause {
				t.Errorf("pause %d is %v, want %v to %v", i, got, pause/2, pause)
			}
			pause = min(2*pause, lifecycle.LongestPause)
		}
		lines := strings.Count(log.String(), "waiting for mongodb: connection refused; next try in ")
		if total := at[len(at)-1]; lines < 5 || lines > int(total/time.Second)+1 {
			t.Errorf("%d lines in %v", lines, total)
		}
		if !strings.Contains(log.String(), `msg="mongodb is there" after=`) {
			t.Errorf("the log does not say that it is over: %s", log.String())
		}
	})
}

func TestWaitForIsSilentWhereItWorksAtOnce(t *testing.T) {
	var log bytes.Buffer
	err := lifecycle.WaitFor(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "nats", func(context.Context) error { return nil })
	if err != nil || log.Len() > 0 {
		t.Errorf("error %v, log %q", err, log.String())
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := lifecycle.WaitFor(ctx, nil, "mongodb", func(context.Context) error { return refused })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, refused) || !strings.HasPrefix(err.Error(), "wait for mongodb: ") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// What was wrong is said also where the end of the context cuts a try short, or comes
// in the moment in which the next one would begin.
func TestWaitForTellsWhatWasWrongBeforeTheEnd(t *testing.T) {
	refused := errors.New("connection refused")
	t.Run("in a try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			tries := 0
			err := lifecycle.WaitFor(ctx, nil, "nats", func(context.Context) error {
				if tries++; tries == 1 {
					return refused
				}
				cancel()
				return errors.New("operation was canceled")
			})
			if !errors.Is(err, context.Canceled) || !errors.Is(err, refused) {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("after a pause", func(t *testing.T) {
		for range 100 { // a select takes either of two
			synctest.Test(t, func(t *testing.T) {
				err := lifecycle.WaitFor(overslept(t.Context()), nil, "nats", func(context.Context) error { return refused })
				if !errors.Is(err, context.Canceled) || !errors.Is(err, refused) {
					t.Errorf("error %v", err)
				}
			})
		}
	})
}

// oversleeper is a context that ends while who begins to wait for it sleeps for so
// long that whatever else is waited for is there, too.
type oversleeper struct {
	context.Context
	cancel context.CancelFunc
}

func overslept(ctx context.Context) oversleeper {
	ctx, cancel := context.WithCancel(ctx)
	return oversleeper{ctx, cancel}
}

func (o oversleeper) Done() <-chan struct{} {
	time.Sleep(lifecycle.LongestPause) // fake
	o.cancel()
	return o.Context.Done()
}

func TestWaitForDoesNotTryAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	cancel(why)
	err := lifecycle.WaitFor(ctx, nil, "nats", func(context.Context) error {
		t.Error("it tried")
		return nil
	})
	if !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

func TestWaitForGivesUpOnPermanentErrors(t *testing.T) {
	wrong := errors.New("the replica set has an arbiter")
	tries := 0
	err := lifecycle.WaitFor(t.Context(), nil, "mongodb", func(context.Context) error {
		tries++
		return lifecycle.Permanent(wrong)
	})
	if !errors.Is(err, wrong) || tries != 1 || err.Error() != "wait for mongodb: the replica set has an arbiter" {
		t.Errorf("error %v after %d tries", err, tries)
	}
	if lifecycle.Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
}
