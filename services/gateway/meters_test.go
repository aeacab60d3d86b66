package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/wire"
)

// measured is a cluster whose gateways are measured together, and how to look.
func measured(t *testing.T, n int, change ...func(*Options)) (c *cluster, has func(lines ...string)) {
	port := ops.New(ops.Options{})
	m := NewMeters(&port.Metrics)
	c = newCluster(t, n, append(change, func(o *Options) { o.Meters = m })...)
	RegisterMetrics(&port.Metrics, func() Stats {
		var list []Stats
		for _, g := range c.gates {
			list = append(list, g.Stats())
		}
		return Sum(list)
	})
	return c, func(lines ...string) {
		t.Helper()
		var missing, text string
		defer func() {
			if missing != "" {
				t.Errorf("no line %s in\n%s", missing, text)
			}
		}()
		c.until(func() bool {
			w := httptest.NewRecorder()
			port.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			missing, text = "", w.Body.String()
			for _, l := range lines {
				if !strings.Contains(text, "\n"+l+"\n") {
					missing = l
				}
			}
			return missing == "" || t.Context().Err() != nil
		})
	}
}

// One message from one pod to another, a repeat, a refusal, a bad frame and the end
// of the connections: everything is counted where it belongs.
func TestWhatIsCounted(t *testing.T) {
	c, has := measured(t, 2)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m1", "hello")
	expect[*wire.Entry](bob)
	alice.sendTo("bob", "m1", "hello")
	alice.send(`{"type":"send","conv":"g_aaaaaaaaaaaaaaaaaaaaaaaaaa","cmid":"m2","body":{"text":"?"}}`)
	alice.send(`{"type":"nonsense"`)
	for range 2 {
		for {
			if _, ok := alice.next().(*wire.Error); ok {
				break
			}
		}
	}
	has(`parley_gateway_sessions 2`,
		`parley_gateway_connections_opened_total 2`,
		`parley_gateway_sessions_syncing 0`,
		`parley_gateway_frames_received_total{type="hello"} 2`,
		`parley_gateway_frames_received_total{type="send"} 3`,
		`parley_gateway_frames_received_total{type="invalid"} 1`,
		`parley_gateway_frames_sent_total{type="welcome"} 2`,
		`parley_gateway_frames_sent_total{type="ack"} 2`,
		`parley_gateway_frames_sent_total{type="error"} 2`,
		`parley_gateway_frames_sent_total{type="other"} 0`,
		`parley_gateway_frames_refused_total{code="not_found"} 1`,
		`parley_gateway_command_seconds_count{outcome="stored"} 1`,
		`parley_gateway_command_seconds_count{outcome="repeat"} 1`,
		`parley_gateway_command_seconds_count{outcome="not_found"} 1`,
		`parley_gateway_repeats_total 1`,
		`parley_gateway_append_entries_bucket{le="1"} 2`,
		`parley_gateway_request_seconds_count{route="GET /v1/ws",status="ok"} 2`,
		`parley_gateway_answers_total{status="ok"} 2`)
	bob.ws.Close(websocket.StatusNormalClosure, "")
	c.gates[0].Drain(t.Context())
	has(`parley_gateway_connections_closed_total{code="1006"} 1`, `parley_gateway_connections_closed_total{code="1012"} 1`, `parley_gateway_sessions 0`)
}

// The routes of requests are patterns, whatever is asked for.
func TestRequestsAreCountedByRoute(t *testing.T) {
	c, has := measured(t, 1)
	ask := func(method, path, token string) {
		r, err := http.NewRequestWithContext(t.Context(), method, c.urls[0]+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	token := c.token("alice", 1e12)
	ask("PATCH", "/v1/conversations/g_aaaaaaaaaaaaaaaaaaaaaaaaaa", token)
	ask("PATCH", "/v1/conversations/g_bbbbbbbbbbbbbbbbbbbbbbbbbb", "")
	ask("POST", "/v1/what-a-client-chooses", token)
	has(`parley_gateway_request_seconds_count{route="PATCH /v1/conversations/{conv}",status="client"} 1`,
		`parley_gateway_request_seconds_count{route="PATCH /v1/conversations/{conv}",status="unauthenticated"} 1`,
		`parley_gateway_request_seconds_count{route="none",status="client"} 1`)
}

// Two pods write to one conversation at a time: the loser says so.
func TestLostRacesAreCounted(t *testing.T) {
	c, _ := measured(t, 2)
	c.bus.set(func() { c.bus.cut = true })
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	bob.sendTo("alice", "b1", "first")  // both pods load the conversation
	alice.sendTo("bob", "a1", "second") // which pod 1 is not told
	bob.sendTo("alice", "b2", "third")
	if n := c.gates[1].Stats().Commit.LostRaces; n != 1 {
		t.Errorf("%d lost races", n)
	}
}
