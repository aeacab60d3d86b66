package jobs

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// brittle breaks at the second step of job a, so many times.
type brittle struct {
	counter
	times int
}

func (b *brittle) Step(ctx context.Context, j store.Job) (Step, error) {
	if j.ID == "a" && string(j.Progress) == "1" && b.times > 0 {
		b.times--
		panic("this step breaks it")
	}
	return b.counter.Step(ctx, j)
}

// A step that panics is a failure like any other: the job is given back at once, done
// again after its pause, and another job does not notice.
func TestAPanicOfAStepIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.create("a")
		b.create("b")
		r := b.runner("w", &brittle{counter: counter{upTo: 3}, times: 2})
		b.start(r)
		time.Sleep(time.Second) // fake: the pause after the first failure is none, and after the second 5 s
		synctest.Wait()
		if j := b.job("a"); j.State != store.JobNew || j.Tries != 2 || string(j.Progress) != "1" || !strings.Contains(j.Failure, "log") || strings.Contains(j.Failure, "breaks") {
			t.Errorf("after it broke: %+v", j)
		}
		if j := b.job("b"); j.State != store.JobDone {
			t.Errorf("the other one: %+v", j)
		}
		if j := b.until("a", store.JobDone, time.Minute); string(j.Progress) != "3" || j.Failure != "" {
			t.Errorf("%+v", j)
		}
		if want := (Stats{Ended: 2, Failures: 2, Panics: 2}); r.Stats() != want {
			t.Errorf("counted %+v, want %+v", r.Stats(), want)
		}
	})
}

// A job that panics always is given up after as many tries as any other.
func TestAPanicThatStaysEndsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		h := &counter{upTo: 3, fail: func(context.Context, int) error { panic("every step breaks it") }}
		b.create("a")
		r := b.runner("w", h)
		r.opts.Every = time.Minute
		b.start(r)
		time.Sleep(30 * time.Hour) // fake
		synctest.Wait()
		if j := b.job("a"); j.State != store.JobDead || j.Failure == "" {
			t.Errorf("%+v", j)
		}
		if want := (Stats{Ended: 1, Failures: uint64(MaxTries - 1), GivenUp: 1, Panics: uint64(MaxTries)}); r.Stats() != want || h.done() != MaxTries {
			t.Errorf("counted %+v in %d steps, want %+v", r.Stats(), h.done(), want)
		}
	})
}

type kept = store.Jobs // a field of another name than its method

// brittleStore breaks at so many calls of each kind.
type brittleStore struct {
	kept
	claims, saves, forgets atomic.Int64 // calls that are yet to break
	asked                  atomic.Int64 // claims
}

func (s *brittleStore) ClaimJobs(ctx context.Context, c store.Claim) ([]store.Job, error) {
	s.asked.Add(1)
	if s.claims.Add(-1) >= 0 {
		panic("this claim breaks it")
	}
	return s.kept.ClaimJobs(ctx, c)
}

func (s *brittleStore) SaveJob(ctx context.Context, j store.Job, wait time.Duration) (store.Job, error) {
	if s.saves.Add(-1) >= 0 {
		panic("this job breaks it")
	}
	return s.kept.SaveJob(ctx, j, wait)
}

func (s *brittleStore) ForgetJobs(ctx context.Context, kinds []store.JobKind, keep time.Duration, limit int) (int, error) {
	if s.forgets.Add(-1) >= 0 {
		panic("these old jobs break it")
	}
	return s.kept.ForgetJobs(ctx, kinds, keep, limit)
}

// Where something else than a step panics, the looks for jobs go on at their pace, the
// job is left to its lease, and its place among those that are done side by side is free.
func TestAPanicOutsideOfSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := newBench(t), &counter{upTo: 3}
		s := &brittleStore{kept: b.store.As("w")}
		s.claims.Store(3)
		s.saves.Store(2 * 4) // as many as there are places, twice
		s.forgets.Store(1)
		ids := []chat.JobID{"a", "b", "c", "d"}
		for _, id := range ids {
			b.create(id)
		}
		r := b.runner("w", h)
		r.opts.Store = s
		b.start(r)
		time.Sleep(5 * time.Second) // fake
		if got := s.asked.Load(); got != 3 {
			t.Errorf("%d looks for jobs in 5 s, want one in 2 s", got)
		}
		for _, id := range ids {
			b.until(id, store.JobDone, 5*time.Minute)
		}
		time.Sleep(2 * forgetEvery * 2 * time.Second) // fake
		synctest.Wait()
		if want := (Stats{Ended: 4, Panics: 3 + 8 + 1}); r.Stats() != want {
			t.Errorf("counted %+v, want %+v", r.Stats(), want)
		}
		if r.running != 0 {
			t.Errorf("%d jobs are said to be under way", r.running)
		}
		for n, times := range h.seen {
			if times > 3 {
				t.Errorf("%s was counted %d times: at most once a lease, and once more", n, times)
			}
		}
	})
}
