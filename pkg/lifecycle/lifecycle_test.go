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

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCloseRunsInReverseAndJoinsErrors(t *testing.T) {
	errA, errC := errors.New("a broke"), errors.New("c broke")
	var order string
	var log bytes.Buffer
	s := lifecycle.Stack{Log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, c := range []struct {
		name string
		err  error
	}{{"a", errA}, {"b", nil}, {"c", errC}} {
		s.Add(c.name, func(context.Context) error {
			order += c.name
			return c.err
		})
	}
	err := s.Close(t.Context())
	if order != "cba" {
		t.Errorf("order %q", order)
	}
	if !errors.Is(err, errA) || !errors.Is(err, errC) || !strings.Contains(err.Error(), "close c: c broke") {
		t.Errorf("error %v", err)
	}
	for _, line := range []string{"msg=closed what=b took=", `msg="cleanup failed" what=c`} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("no %q in the log:\n%s", line, log.String())
		}
	}
	if err := s.Close(t.Context()); err != nil || order != "cba" {
		t.Errorf("a second Close ran something: %v, order %q", err, order)
	}
}

func TestCloseOfNothing(t *testing.T) {
	var s lifecycle.Stack
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClosePanicIsAnError(t *testing.T) {
	var s lifecycle.Stack
	ran := false
	s.Add("first", func(context.Context) error { ran = true; return nil })
	s.Add("bad", func(context.Context) error { panic("boom") })
	err := s.Close(t.Context())
	if err == nil || !strings.Contains(err.Error(), "close bad: panic: boom") {
		t.Errorf("error %v", err)
	}
	if !ran {
		t.Error("the panic kept the other from its turn")
	}
}

func TestCloseReportsTheOneThatOverruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var ran, sawEnd bool
		s := lifecycle.Stack{}
		s.Add("quick", func(ctx context.Context) error { ran, sawEnd = true, ctx.Err() != nil; return nil })
		s.Add("deaf after the end", func(context.Context) error { <-release; return nil })
		s.Add("stuck", func(context.Context) error { <-release; return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		err := s.Close(ctx)
		if took := time.Since(start); took != 11*time.Second {
			t.Errorf("Close took %v", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		for _, part := range []string{"close stuck: did not finish in time", "close deaf after the end: did not return"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("no %q in %v", part, err)
			}
		}
		if strings.Contains(err.Error(), "quick") || !ran || !sawEnd {
			t.Errorf("the last one: ran %v, saw the end %v, error %v", ran, sawEnd, err)
		}
		close(release)
	})
}
