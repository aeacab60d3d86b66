package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// api answers as the services do, and notes what it was asked.
func api(t *testing.T, asked *[]string) *httptest.Server {
	job := wire.Job{JobStatus: wire.JobStatus{ID: "j_a", State: wire.JobFailed, Created: wire.Time{Time: time.UnixMilli(1e12).UTC()}, Failure: "something did not answer"},
		Kind: wire.JobErasure, Creator: "root", Due: wire.Time{Time: time.UnixMilli(2e12).UTC()}, Attempt: 12, Tries: 11, Progress: wire.JobProgress{User: "alice", Done: 3, Messages: 21}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey"):
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "j_unknown"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(wire.Encode(wire.Problem{Code: chat.CodeNotFound, Detail: "no such job"}))
		case r.URL.Path == "/v1/jobs" && r.URL.Query().Get("cursor") == "":
			_, _ = w.Write(wire.Encode(wire.List[wire.Job]{Items: []wire.Job{job}, Next: "more"}))
		case r.URL.Path == "/v1/jobs":
			other := job
			other.ID, other.Kind, other.State, other.Cancelled, other.Failure = "j_b", wire.JobBroadcast, wire.JobRunning, true, ""
			other.Progress = wire.JobProgress{Total: 9, Done: 3, Failed: 1}
			_, _ = w.Write(wire.Encode(wire.List[wire.Job]{Items: []wire.Job{other}}))
		default:
			_, _ = w.Write(wire.Encode(job))
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return srv
}

func operatorToken(t *testing.T) string {
	t.Helper()
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: auth.NewSecret()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{User: "root", Scopes: []string{auth.ScopeOperator}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestJobsCommand(t *testing.T) {
	var asked []string
	srv := api(t, &asked)
	token := operatorToken(t)
	out, err := execute(t, newJobsCmd(), "", "list", "--api", srv.URL, "--token", token, "--state", "failed", "--kind", "erasure", "--order", "due", "--limit", "60")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ID KIND STATE PROGRESS TRIES CREATED DUE CREATOR FAILURE",
		"j_a erasure failed alice: 3 conversations, 21 messages 11 2001-09-09T01:46:40Z 2033-05-18T03:33:20Z root something did not answer",
		"j_b broadcast running, cancelled 3 of 9 users, 1 failed 11 2001-09-09T01:46:40Z 2033-05-18T03:33:20Z root",
	}
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if i >= len(want) || strings.Join(strings.Fields(line), " ") != want[i] {
			t.Errorf("line %d: %s", i, line)
		}
	}
	for _, name := range []string{"retry", "cancel"} {
		out, err := execute(t, newJobsCmd(), "", name, "--api", srv.URL, "--token", token, "--json", "j_a", "j_unknown", "j_c")
		if err == nil || !strings.Contains(err.Error(), name+" j_unknown: not_found: no such job") || strings.Count(out, `"id": "j_a"`) != 2 {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if got := strings.Join(asked, "\n"); got != `GET /v1/jobs?kind=erasure&limit=50&order=due&state=failed
GET /v1/jobs?cursor=more&kind=erasure&limit=50&order=due&state=failed
POST /v1/jobs/j_a/retry {}
POST /v1/jobs/j_unknown/retry {}
POST /v1/jobs/j_c/retry {}
DELETE /v1/jobs/j_a
DELETE /v1/jobs/j_unknown
DELETE /v1/jobs/j_c` {
		t.Errorf("asked:\n%s", got)
	}
	for _, args := range [][]string{
		{"list", "--api", srv.URL, "--token", "x"}, {"list", "--api", srv.URL, "--token", token, "--order", "up"}, {"list", "extra"}, {"retry", "--token", token}, {},
		{"list", "--secret-file", t.TempDir() + "/none"},
	} {
		if _, err := execute(t, newJobsCmd(), "", args...); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
