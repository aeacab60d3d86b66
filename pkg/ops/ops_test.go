package ops_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, s *ops.Server, path string) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestReadyz(t *testing.T) {
	var log bytes.Buffer
	s := ops.New(ops.Options{Version: "v1", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, step := range []struct {
		do   func()
		code int
		body string
	}{
		{func() {}, 503, `{"status":"starting","version":"v1"}`},
		{func() { s.SetReady(false) }, 503, `{"status":"starting","version":"v1"}`},
		{func() { s.Degraded("nats", "disconnected") }, 503, `{"status":"starting","degraded":{"nats":"disconnected"},"version":"v1"}`},
		{func() { s.SetReady(true) }, 200, `{"status":"degraded","degraded":{"nats":"disconnected"},"version":"v1"}`},
		{func() { s.Degraded("mongodb", "no primary") }, 200, `{"status":"degraded","degraded":{"mongodb":"no primary","nats":"disconnected"},"version":"v1"}`},
		{func() { s.Degraded("nats", ""); s.Degraded("nats", ""); s.Degraded("mongodb", "") }, 200, `{"status":"ready","version":"v1"}`},
		{func() { s.SetReady(false) }, 503, `{"status":"draining","version":"v1"}`},
		{func() { s.SetReady(true) }, 503, `{"status":"draining","version":"v1"}`},
	} {
		step.do()
		code, body := get(t, s, "/readyz")
		if code != step.code || body != step.body+"\n" {
			t.Errorf("got %d %s, want %d %s", code, body, step.code, step.body)
		}
		if code, body := get(t, s, "/livez"); code != 200 || body != "ok\n" {
			t.Errorf("livez: %d %q", code, body)
		}
	}
	for _, line := range []string{"from=starting to=ready", "from=ready to=draining", `msg=degraded part=mongodb reason="no primary"`, `msg="no longer degraded" part=nats`} {
		if strings.Count(log.String(), line) != 1 {
			t.Errorf("not one %q in the log:\n%s", line, log.String())
		}
	}
}

func TestMetrics(t *testing.T) {
	s := ops.New(ops.Options{})
	s.Counter("things_total", "Things.", func() uint64 { return 1 << 40 })
	s.Gauge("level", "A level.", func() float64 { return 0.5 })
	s.CounterBy("drops_total", "Drops.", "reason", func() map[string]uint64 { return map[string]uint64{"slow": 3, "full": 0} })
	took := s.Histogram("took_seconds", "A time.", []float64{0.1, 1})
	took.Observe(0.5, "")
	s.SetReady(true)
	s.Degraded("nats", "away")
	code, body := get(t, s, "/metrics")
	if code != 200 {
		t.Fatalf("code %d", code)
	}
	for _, line := range []string{
		"parley_things_total 1.099511627776e+12",
		"# TYPE parley_things_total counter",
		"parley_level 0.5",
		`parley_drops_total{reason="slow"} 3`,
		`parley_drops_total{reason="full"} 0`,
		`parley_took_seconds_bucket{le="0.1"} 0`,
		`parley_took_seconds_bucket{le="1"} 1`,
		"parley_ready 1",
		`parley_degraded{part="nats"} 1`,
		`parley_build_info{version="dev"} 1`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds"} {
		if !strings.Contains(body, "\n"+name+" ") {
			t.Errorf("no metric %s", name)
		}
	}
}

// Two servers in one process, as in tests and the all-in-one binary, do not meet.
func TestRegistriesAreSeparate(t *testing.T) {
	a, b := ops.New(ops.Options{}), ops.New(ops.Options{})
	a.Counter("x_total", "X.", func() uint64 { return 1 })
	b.Counter("x_total", "X.", func() uint64 { return 2 })
	if _, body := get(t, a, "/metrics"); !strings.Contains(body, "\nparley_x_total 1\n") {
		t.Error("a does not show its own")
	}
}

func TestRegisteringTwicePanics(t *testing.T) {
	s := ops.New(ops.Options{})
	s.Gauge("x", "X.", func() float64 { return 0 })
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	s.Gauge("x", "X.", func() float64 { return 0 })
}

func TestPaths(t *testing.T) {
	s := ops.New(ops.Options{})
	for path, want := range map[string]int{
		"/debug/pprof/":            200,
		"/debug/pprof/heap":        200,
		"/debug/pprof/cmdline":     404,
		"/debug/pprof/goroutine":   200,
		"/":                        404,
		"/v1/ws":                   404,
		"/debug/pprof/nonexistent": 404,
	} {
		if code, _ := get(t, s, path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/readyz", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz: %d", w.Code)
	}
}

func TestServeUntilTheContextEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := ops.New(ops.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeListener(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + l.Addr().String() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(body) != "ok\n" {
		t.Errorf("%q, %v", body, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestServeSaysThatTheAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := ops.New(ops.Options{})
	if err := s.Serve(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "listen for operations: ") {
		t.Errorf("error %v", err)
	}
}

func TestServeReturnsWhenItsListenerFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := ops.New(ops.Options{}).ServeListener(t.Context(), l); err == nil {
		t.Error("no error")
	}
}

// Who asks for OpenMetrics is shown the trace of an observation; names and values of
// labels are listed whether there is something to show or not.
func TestExemplarsAndList(t *testing.T) {
	s := ops.New(ops.Options{})
	took := s.HistogramBy("step_seconds", "A time.", []float64{0.1, 1}, "step", "outcome")
	took.With("read", "ok").Observe(0.5, "0af7651916cd43dd8448eb211c80319c")
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	const want = `parley_step_seconds_bucket{outcome="ok",step="read",le="1.0"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.5`
	if !strings.Contains(w.Body.String(), want) {
		t.Errorf("no exemplar: %s", w.Body.String())
	}
	var none *ops.HistogramVec
	none.With("x").Observe(1, "")
	kinds := map[string]string{}
	for _, m := range s.List() {
		kinds[m.Name] = m.Type + " " + strings.Join(m.Labels, ",")
	}
	for name, want := range map[string]string{"parley_step_seconds": "histogram step,outcome", "parley_ready": "gauge ", "parley_degraded": "gauge part"} {
		if kinds[name] != want {
			t.Errorf("%s: %q", name, kinds[name])
		}
	}
	h := s.Histogram("plain_seconds", "A time.", []float64{1})
	if n := testing.AllocsPerRun(100, func() { h.Observe(1, "") }); n != 0 {
		t.Errorf("%v allocations an observation", n)
	}
}
