package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter does jobs that count up to a number, and fail when it is told to.
type counter struct {
	upTo  int
	pause time.Duration
	fail  func(ctx context.Context, step int) error

	mu    sync.Mutex
	steps []time.Time
	seen  map[string]int // how often each number was counted
}

func (c *counter) Step(ctx context.Context, j store.Job) (Step, error) {
	n, _ := strconv.Atoi(string(j.Progress))
	c.mu.Lock()
	c.steps = append(c.steps, time.Now())
	step := len(c.steps)
	c.mu.Unlock()
	if c.fail != nil {
		if err := c.fail(ctx, step); err != nil {
			return Step{}, err
		}
	}
	n++
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[string(j.ID)+"/"+strconv.Itoa(n)]++
	return Step{Progress: []byte(strconv.Itoa(n)), Done: n == c.upTo, Pause: c.pause}, nil
}

func (c *counter) done() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.steps)
}

// bench is a store and runners, in a bubble of faked time.
type bench struct {
	*testing.T
	store *memstore.Store
}

func newBench(t *testing.T) *bench { return &bench{t, memstore.New(memstore.Options{})} }

func (b *bench) create(id chat.JobID) {
	b.Helper()
	j := store.Job{NS: "t", ID: id, Kind: "count", Creator: "alice", Payload: []byte("p"), Progress: []byte("0")}
	if _, err := b.store.CreateJob(b.Context(), j); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) runner(name string, h Handler) *Runner {
	return New(Options{Store: b.store.As(name), Owner: func() string { return name }, Handlers: map[store.JobKind]Handler{"count": h},
		Log: slog.New(slog.DiscardHandler)})
}

func (b *bench) run(name string, h Handler) (stop func()) { return b.start(b.runner(name, h)) }

// start starts a runner; it ends with the test, or with what is returned.
func (b *bench) start(r *Runner) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	b.Cleanup(stop)
	return stop
}

func (b *bench) job(id chat.JobID) store.Job {
	b.Helper()
	list, err := b.store.Jobs(b.Context(), store.JobQuery{NS: "t", ID: id, Limit: 1})
	if err != nil || len(list) != 1 {
		b.Fatalf("job: %+v, %v", list, err)
	}
	return list[0]
}

// until waits, in faked time, until a job is in a state.
func (b *bench) until(id chat.JobID, state store.JobState, most time.Duration) store.Job {
	b.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(time.Second) {
		synctest.Wait()
		if j := b.job(id); j.State == state {
			return j
		}
	}
	b.Fatalf("after %v: %+v", most, b.job(id))
	return store.Job{}
}

func TestJobsAreDoneStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := newBench(t), &counter{upTo: 5, pause: time.Second}
		for _, id := range []chat.JobID{"a", "b", "c", "d", "e", "f"} {
			b.create(id)
		}
		b.run("w", h)
		for _, id := range []chat.JobID{"a", "b", "c", "d", "e", "f"} {
			j := b.until(id, store.JobDone, time.Minute)
			if string(j.Progress) != "5" || j.Attempt != 1 || j.Tries != 0 || j.Failure != "" {
				t.Errorf("%+v", j)
			}
		}
		if len(h.seen) != 30 || h.done() != 30 {
			t.Errorf("%d steps, %d of them different; want 30", h.done(), len(h.seen))
		}
	})
}

var errAway = errors.New("away")

func TestFailuresBackOffAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		h := &counter{upTo: 5, fail: func(context.Context, int) error { return errAway }}
		b.create("a")
		r := b.runner("w", h)
		b.start(r)
		j := b.until("a", store.JobDead, 30*time.Hour)
		if want := (Stats{Ended: 1, Failures: uint64(MaxTries - 1), GivenUp: 1}); r.Stats() != want {
			t.Errorf("counted %+v, want %+v", r.Stats(), want)
		}
		if h.done() != MaxTries || j.Failure == "" {
			t.Errorf("%d tries, want %d; %+v", h.done(), MaxTries, j)
		}
		for i := 2; i < len(h.steps); i++ {
			wait, want := h.steps[i].Sub(h.steps[i-1]), Delay(i, 0.5)
			// Beside the spread: a look every 2 s, and the rest of a kind that fails.
			if wait < want*8/10 || wait > want*12/10+33*time.Second {
				t.Errorf("pause %d was %v, want about %v", i, wait, want)
			}
		}
	})
}

func TestProgressForgivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		h := &counter{upTo: 30, fail: func(_ context.Context, step int) error {
			if step%2 == 0 {
				return chat.Unavailable("no answer")
			}
			return nil
		}}
		b.create("a")
		b.run("w", h)
		if j := b.until("a", store.JobDone, time.Hour); string(j.Progress) != "30" || j.Failure != "" {
			t.Errorf("%+v", j)
		}
		for n, times := range h.seen {
			if times != 1 {
				t.Errorf("%s was counted %d times", n, times)
			}
		}
	})
}

func TestRefusalIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		h := &counter{upTo: 5, fail: func(context.Context, int) error { return chat.Errorf(chat.CodeForbidden, "no") }}
		b.create("a")
		b.run("w", h)
		if j := b.until("a", store.JobDead, time.Minute); h.done() != 1 || j.Failure != "forbidden: no" {
			t.Errorf("%d tries, %+v", h.done(), j)
		}
	})
}

// Whatever write fails, or loses its answer, the job is done to its end; and where
// only the answer was lost, or nothing, no step before the last saved one is repeated.
func TestEveryFault(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpClaimJobs, memstore.OpSaveJob, memstore.OpForgetJobs, memstore.OpCancelJob} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied, memstore.Late, memstore.Invisible} {
			for skip := range 5 {
				synctest.Test(t, func(t *testing.T) {
					b, h := newBench(t), &counter{upTo: 4}
					in := b.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1, Skip: skip})
					b.create("a")
					b.run("w", h)
					b.until("a", store.JobDone, time.Hour)
					in.Release() // what comes late changes nothing
					j := b.job("a")
					if string(j.Progress) != "4" || j.State != store.JobDone {
						t.Errorf("%s, kind %d, skip %d: %+v", op, kind, skip, j)
					}
					for n, times := range h.seen {
						if times > 1 {
							t.Errorf("%s, kind %d, skip %d: %s was counted %d times", op, kind, skip, n, times)
						}
					}
				})
			}
		}
	}
}

// A worker that is cut off loses its job when the lease ends, and can change nothing
// of it any more; a step that it did not save is done again.
func TestAnotherWorkerTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stuck := make(chan struct{})
		first := &counter{upTo: 4, fail: func(_ context.Context, step int) error {
			if step == 3 {
				<-stuck // it does not even look at its context
			}
			return nil
		}}
		second := &counter{upTo: 4}
		b.create("a")
		b.run("first", first)
		synctest.Wait()
		if first.done() != 3 {
			t.Fatalf("%d steps", first.done())
		}
		cut := b.store.Inject(memstore.Fault{Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "first" }})
		began := time.Now()
		b.run("second", second)
		j := b.until("a", store.JobDone, time.Minute)
		if took := time.Since(began); took < 25*time.Second || took > 40*time.Second {
			t.Errorf("took over after %v, with a lease of 30 s", took)
		}
		cut.Remove()
		close(stuck)
		synctest.Wait()
		time.Sleep(time.Minute)
		if after := b.job("a"); after.Version != j.Version || after.Attempt != 2 || j.Owner != "second" || string(j.Progress) != "4" {
			t.Errorf("%+v, then %+v", j, after)
		}
		if second.done() != 2 {
			t.Errorf("the second did %d steps, want 2", second.done())
		}
	})
}

// A step has no longer than the lease, whatever the claim before it, or the saving of
// the step before it, took of that.
func TestStepEndsWithTheLease(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpClaimJobs, memstore.OpSaveJob} {
		t.Run(fmt.Sprint(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.create("a")
				over := make(chan time.Time, 1)
				slow := b.store.Inject(memstore.Fault{Op: op, Kind: memstore.BlockApplied, Times: 1})
				last := 1
				if op == memstore.OpSaveJob {
					last = 2
				}
				began := time.Now() // of the lease
				b.run("first", &counter{upTo: 3, fail: func(ctx context.Context, step int) error {
					if step == last {
						<-ctx.Done()
						over <- time.Now()
						return ctx.Err()
					}
					return nil
				}})
				time.Sleep(25 * time.Second)
				slow.Release()
				if took := (<-over).Sub(began); took > 30*time.Second {
					t.Errorf("the step went on for %v, with a lease of 30 s", took)
				}
				b.run("second", &counter{upTo: 3})
				b.until("a", store.JobDone, 2*time.Minute)
			})
		})
	}
}

// A worker that stops gives its job back, and that is no failure.
func TestStopGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.create("a")
		stop := b.run("first", &counter{upTo: 100, pause: time.Second})
		time.Sleep(10 * time.Second)
		stop()
		if j := b.job("a"); j.State != store.JobNew || j.Tries != 0 || string(j.Progress) == "0" {
			t.Errorf("%+v", j)
		}
		began := time.Now()
		b.run("second", &counter{upTo: 100})
		b.until("a", store.JobDone, time.Minute)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A job that kills whoever does it is given up.
func TestDeadlyJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.create("a")
		for range MaxTries {
			if list, err := b.store.ClaimJobs(t.Context(), store.Claim{Kinds: []store.JobKind{"count"}, Lease: time.Second, Limit: 1}); len(list) != 1 || err != nil {
				t.Fatal(list, err)
			}
			time.Sleep(2 * time.Second)
		}
		h := &counter{upTo: 1}
		b.run("w", h)
		if j := b.until("a", store.JobDead, time.Minute); h.done() != 0 || j.Failure == "" {
			t.Errorf("%d steps, %+v", h.done(), j)
		}
	})
}

func TestKindThatFailsRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		away := true
		h := &counter{upTo: 1, fail: func(context.Context, int) error {
			if away {
				return errAway
			}
			return nil
		}}
		for i := range 20 {
			b.create(chat.JobID("j" + strconv.Itoa(i)))
		}
		b.run("w", h)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		// Those that were claimed together fail together.
		if n := h.done(); n < 5 || n > 8 {
			t.Errorf("%d steps before the rest, want 5 to 8", n)
		}
		away = false
		for i := range 20 {
			b.until(chat.JobID("j"+strconv.Itoa(i)), store.JobDone, 2*time.Minute)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.create("a")
		b.run("w", &counter{upTo: 1000, pause: time.Second})
		time.Sleep(10 * time.Second)
		if _, err := b.store.CancelJob(t.Context(), "t", "a"); err != nil {
			t.Fatal(err)
		}
		if j := b.until("a", store.JobDone, 5*time.Second); string(j.Progress) == "1000" || !j.Cancel {
			t.Errorf("%+v", j)
		}
	})
}

// A job that is cancelled at any moment of its being set back ends soon.
func TestCancelWhileSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		h := &counter{upTo: 9, fail: func(_ context.Context, step int) error {
			if step < 8 {
				return errAway
			}
			_, err := b.store.CancelJob(b.Context(), "t", "a")
			return errors.Join(err, errAway)
		}}
		b.create("a")
		b.run("w", h)
		for h.done() < 8 { // the eighth pause is of 2 hours
			time.Sleep(time.Second)
		}
		b.until("a", store.JobDone, 2*time.Minute)
	})
}

func TestOldJobsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.create("a")
		b.run("w", &counter{upTo: 1})
		b.until("a", store.JobDone, time.Minute)
		time.Sleep(6 * 24 * time.Hour)
		b.job("a")
		time.Sleep(25 * time.Hour)
		if list, err := b.store.Jobs(t.Context(), store.JobQuery{NS: "t", ID: "a", Limit: 1}); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestDelay(t *testing.T) {
	for i, want := range []time.Duration{0, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
		30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour} {
		for spread, factor := range map[float64]float64{0: 0.8, 0.5: 1} {
			if got := Delay(i+1, spread); got != time.Duration(float64(want)*factor) {
				t.Errorf("after %d failures: %v", i+1, got)
			}
		}
		if got := Delay(i+1, 0.999999); got > want*12/10 {
			t.Errorf("after %d failures: %v", i+1, got)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errAway, false}, {context.DeadlineExceeded, false}, {chat.Unavailable("x"), false}, {chat.Errorf(chat.CodeInternal, "x"), false},
		{chat.Errorf(chat.CodeRateLimited, "x"), false}, {chat.Errorf(chat.CodeBadRequest, "x"), true}, {chat.Errorf(chat.CodeForbidden, "x"), true},
		{chat.Errorf(chat.CodeNotFound, "x"), true}, {errors.Join(errAway, chat.Errorf(chat.CodeTooLarge, "x")), true},
	} {
		if got, why := final(c.err); got != c.want || why == "" || why == errAway.Error() {
			t.Errorf("%v: %v, %q", c.err, got, why)
		}
	}
}

// A step that says when it comes again gives the job back until then.
func TestJobsComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := newBench(t), time.Now()
		h := &comes{again: time.Hour}
		b.create("a")
		b.run("w", h)
		time.Sleep(3*time.Hour + time.Minute)
		synctest.Wait()
		if len(h.at) != 4 || h.at[3].Sub(began) < 3*time.Hour {
			t.Errorf("steps at %v", h.at)
		}
		if j := b.job("a"); j.State != store.JobNew || j.Attempt != 4 || j.Tries != 0 || string(j.Progress) != "4" {
			t.Errorf("%+v", j)
		}
	})
}

// comes is a job that comes again and again.
type comes struct {
	again time.Duration
	at    []time.Time
}

func (c *comes) Step(context.Context, store.Job) (Step, error) {
	c.at = append(c.at, time.Now())
	return Step{Progress: []byte(strconv.Itoa(len(c.at))), Again: c.again}, nil
}

// A standing job is tried for ever, also after an error that would end another.
func TestStandingJobsAreNotGivenUp(t *testing.T) {
	for _, err := range []error{errAway, chat.Errorf(chat.CodeNotFound, "gone")} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			h := &counter{upTo: MaxTries + 5, fail: func(_ context.Context, step int) error {
				if step <= MaxTries+3 {
					return err
				}
				return nil
			}}
			b.create("a")
			r := b.runner("w", h)
			r.opts.Standing = true
			b.start(r)
			if j := b.until("a", store.JobDone, 100*time.Hour); j.Failure != "" {
				t.Errorf("%+v", j)
			}
			if s := r.Stats(); s.GivenUp != 0 || s.Failures != uint64(MaxTries+3) {
				t.Errorf("%+v", s)
			}
		})
	}
}
