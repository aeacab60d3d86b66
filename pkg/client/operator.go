package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	operatorTime  = 15 * time.Second // of a request: the server answers within 10 s
	operatorBytes = 16 << 20         // of an answer
)

// Operator asks over HTTP what operators ask, of any gateway that is behind a history
// service, or of parley up. It has no state: methods may be called at the same time,
// block until there is an answer, 15 s at most, and can be repeated unchanged after an
// error. A refusal is a [chat.Error].
type Operator struct {
	URL   string       // of the API, without a path
	Token string       // with the scope operator
	HTTP  *http.Client // default: http.DefaultClient
}

// JobFilter selects jobs; zero: all of them, the latest first.
type JobFilter struct {
	State  wire.JobState // waiting, running, done or failed
	Kind   wire.JobKind
	Due    bool // in the order in which they are due, the earliest first
	Cursor string
	Limit  int // 0: the server's default, 50
}

// Jobs lists jobs of the operator's tenant, a page at a time: the next one has the Next
// of this one as its cursor; "": there is none.
func (o *Operator) Jobs(ctx context.Context, f JobFilter) (list wire.List[wire.Job], err error) {
	q := url.Values{}
	for name, value := range map[string]string{"state": string(f.State), "kind": string(f.Kind), "cursor": f.Cursor} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Due {
		q.Set("order", "due")
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	err = o.do(ctx, http.MethodGet, "/v1/jobs?"+q.Encode(), nil, &list)
	return list, err
}

// Job is one job.
func (o *Operator) Job(ctx context.Context, id chat.JobID) (j wire.Job, err error) {
	err = o.do(ctx, http.MethodGet, "/v1/jobs/"+url.PathEscape(string(id)), nil, &j)
	return j, err
}

// RetryJob gives a job back that has failed, or ends the pause of one that waits, where
// it is at an attempt; 0: whichever. It returns the job as it is then.
func (o *Operator) RetryJob(ctx context.Context, id chat.JobID, attempt int64) (j wire.Job, err error) {
	err = o.do(ctx, http.MethodPost, "/v1/jobs/"+url.PathEscape(string(id))+"/retry", wire.RetryJob{Attempt: attempt}, &j)
	return j, err
}

// CancelJob ends a broadcast, or dismisses what has failed. It returns the job as it is
// then.
func (o *Operator) CancelJob(ctx context.Context, id chat.JobID) (j wire.Job, err error) {
	err = o.do(ctx, http.MethodDelete, "/v1/jobs/"+url.PathEscape(string(id)), nil, &j)
	return j, err
}

func (o *Operator) do(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, operatorTime)
	defer cancel()
	var body io.Reader = http.NoBody
	if in != nil {
		body = bytes.NewReader(wire.Encode(in))
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(o.URL, "/")+path, body)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+o.Token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c := o.HTTP
	if c == nil {
		c = http.DefaultClient
	}
	res, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, operatorBytes))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		var p wire.Problem
		if json.Unmarshal(answer, &p) != nil || p.Code == "" {
			return fmt.Errorf("%s %s: %s", method, path, res.Status)
		}
		return chat.Errorf(p.Code, "%s", p.Detail)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
