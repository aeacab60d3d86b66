package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// jobFaults end a gateway in the middle of what it does in the background.
func jobFaults() []Scenario {
	return []Scenario{
		{Name: "kill-in-broadcast", restarts: true, memory: true, About: "kill -9 of the gateway that sends a broadcast, in the middle",
			run: broadcastUnderFire},
		{Name: "kill-in-erasure", restarts: true, memory: true, About: "kill -9 of the gateway that erases a user, in the middle of a log",
			run: erasureUnderFire},
	}
}

const (
	jobTime      = 3 * time.Minute // of a scenario: a lost lease is 30 s of it
	jobAttempts  = 3               // to strike in the middle
	audience     = 600             // users of a broadcast: six steps, more than a second
	askers       = 8               // that look at what is stored
	broadcaster  = chat.User("news")
	everythingOf = "?limit=200"
)

// ask does a request as a user with scopes, and reads the answer into out.
func (w *world) ask(ctx context.Context, base, method, path string, user chat.User, in, out any, scopes ...string) error {
	token, err := w.cluster.Scoped(user, scopes...)
	if err != nil {
		return err
	}
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode a request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Close = true // nothing stays behind
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s by %s: %s", method, path, user, res.Status)
	}
	if out == nil {
		return nil
	}
	if err := json.UnmarshalRead(res.Body, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// job is a job as operators see it.
func (w *world) job(ctx context.Context, id chat.JobID) (j wire.Job, err error) {
	err = w.ask(ctx, w.cluster.History.URL(), "GET", "/v1/jobs/"+string(id), "root", nil, &j, auth.ScopeOperator)
	return j, err
}

// jobWhen asks until a job is as it is waited for, or has ended.
func (w *world) jobWhen(ctx context.Context, id chat.JobID, is func(*wire.Job) bool) (wire.Job, error) {
	for {
		j, err := w.job(ctx, id)
		if err == nil && (is(&j) || !j.Finished.IsZero()) {
			return j, nil
		}
		if !pause(ctx, 5*time.Millisecond) {
			return j, errors.Join(fmt.Errorf("job %s is %s after %+v: %w", id, j.State, j.Progress, ctx.Err()), err)
		}
	}
}

// killInJob makes a job at a gateway, which is who does it as a rule, kills that gateway
// once the job is in its middle, starts it again, and waits until the job has ended. A
// job that another one did, or that was over before, is made anew.
func (w *world) killInJob(ctx context.Context, r *Result, middle func(*wire.Job) bool, create func(g *procs.Process, try int) (chat.JobID, error)) (wire.Job, error) {
	for try := range jobAttempts {
		g := w.cluster.Gateways[try%len(w.cluster.Gateways)]
		id, err := create(g, try)
		if err != nil {
			return wire.Job{}, err
		}
		before, err := w.jobWhen(ctx, id, middle)
		if err != nil {
			return before, err
		}
		if err := g.Kill(); err != nil {
			return before, err
		}
		if err := again(ctx, g); err != nil {
			return before, err
		}
		after, err := w.jobWhen(ctx, id, func(*wire.Job) bool { return false })
		if err != nil {
			return after, err
		}
		if after.State != wire.JobDone {
			r.violated(fmt.Sprintf("the job is %s: %s", after.State, after.Failure))
			return after, nil
		}
		if before.State == wire.JobRunning && after.Attempt > before.Attempt {
			w.struck("killed %s after %+v; another one ended the job %.1f s after it was made", g.Name, before.Progress, after.Finished.Sub(after.Created.Time).Seconds())
			r.Note = fmt.Sprintf("done %.0f s after it was asked for", after.Finished.Sub(after.Created.Time).Seconds())
			return after, nil
		}
	}
	return wire.Job{}, errors.New("no gateway was killed in the middle of its job")
}

// broadcastUnderFire sees that everybody has exactly one message of a broadcast whose
// gateway was killed.
func broadcastUnderFire(ctx context.Context, w *world, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	users := make([]chat.User, audience)
	for i := range users {
		users[i] = chat.User(fmt.Sprint("reader-", i))
	}
	made := 0 // a job that was not struck has sent, too
	middle := func(j *wire.Job) bool { return j.State == wire.JobRunning && j.Progress.Done > 0 }
	j, err := w.killInJob(ctx, r, middle, func(g *procs.Process, try int) (chat.JobID, error) {
		made++
		var b wire.Broadcast
		in := map[string]any{"from": broadcaster, "users": users, "cmid": client.NewCMID(), "body": map[string]string{"text": fmt.Sprint("broadcast ", try)}}
		err := w.ask(ctx, g.URL(), "POST", "/v1/broadcasts", "shop", in, &b, auth.ScopeSendAny)
		return b.ID, err
	})
	if err != nil {
		return err
	}
	if j.Progress.Done != len(users) || j.Progress.Total != len(users) || j.Progress.Failed != 0 {
		r.violated(fmt.Sprintf("the job says of itself %+v", j.Progress))
	}
	var wrong, stored atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(askers)
	for _, u := range users {
		group.Go(func() error {
			n, err := w.receivedBroadcasts(groupCtx, u, made)
			stored.Add(int64(n))
			if n != made {
				wrong.Add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if n := wrong.Load(); n > 0 {
		r.violated(fmt.Sprintf("%d of %d users have not exactly one message of each of %d broadcasts", n, len(users), made))
	}
	r.Sent, r.Acked, r.Stored = int64(len(users)*made), stored.Load(), stored.Load()
	return nil
}

// receivedBroadcasts is how many entries of the broadcaster a user has; -1 where one of
// the broadcasts came not exactly once.
func (w *world) receivedBroadcasts(ctx context.Context, u chat.User, made int) (int, error) {
	conv := chat.DirectID(chat.DefaultNS, broadcaster, u)
	var page wire.Page[wire.Entry]
	if err := w.ask(ctx, w.cluster.History.URL(), "GET", "/v1/conversations/"+string(conv)+"/entries"+everythingOf, u, nil, &page); err != nil {
		return 0, err
	}
	texts := map[string]int{}
	for _, e := range page.Items {
		texts[string(e.Body)]++
	}
	for try := range made {
		if texts[fmt.Sprintf(`{"text":"broadcast %d"}`, try)] != 1 {
			return -1, nil
		}
	}
	return len(page.Items), nil
}
