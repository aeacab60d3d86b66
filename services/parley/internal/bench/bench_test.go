package bench

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster starts two gateways in this process.
func cluster(t *testing.T) Options {
	t.Helper()
	c, err := allinone.Start(t.Context(), allinone.Options{Gateways: 2, Data: t.TempDir(), DevTokens: true, Log: slog.New(slog.DiscardHandler),
		Limits: chat.Limits{SendsPerS: 100_000}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return Options{URLs: c.URLs, API: c.URLs[0], PIDs: []int{os.Getpid()},
		Token: func(_ context.Context, u chat.User) (string, error) { return c.Token(u) }}
}

// Every scenario gives figures that count, on a real cluster.
func TestScenarios(t *testing.T) {
	o := cluster(t)
	ops := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.String()) }))
	defer ops.Close()
	o.Ops = ops.URL
	short := Settings{Warmup: 50 * time.Millisecond, Duration: 300 * time.Millisecond, Recv: 50 * time.Millisecond}
	for _, c := range []struct {
		scenario string
		change   func(s *Settings)
		unit     string
		received int64
		latency  []string
	}{
		{Idle, func(s *Settings) { s.Connections = 20 }, "connections", 0, []string{"login"}},
		{Pairs, func(s *Settings) { s.Pairs, s.InFlight = 5, 4 }, "deliveries", 20, []string{"ack", "delivery"}},
		{Rate, func(s *Settings) { s.Pairs, s.Rate, s.SameGateway = 5, 200, true }, "deliveries", 100, []string{"ack", "delivery", "pacing"}},
		{Group, func(s *Settings) { s.Members, s.Senders, s.InFlight, s.Recv = 10, 2, 2, -1 }, "deliveries", 10 * (2 + 2*2), []string{"ack", "complete", "delivery"}},
		{Storm, func(s *Settings) { s.Connections, s.Missed, s.Repeat = 20, 3, 2 }, "connections", 10 * 2 * (1 + 2*3), []string{"login", "synced"}},
		{Flush, func(s *Settings) { s.Missed, s.Convs, s.Repeat = 300, 6, 2 }, "entries", 3 * 300, []string{"first", "synced"}},
		{History, func(s *Settings) { s.Depth, s.Page, s.Readers = 300, 20, 2 }, "pages", 300, []string{"middle", "newest", "oldest"}},
		{Search, func(s *Settings) { s.Depth, s.Convs, s.Readers = 100, 4, 2 }, "searches", 100, []string{"findable", "search of one", "search of many"}},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			o := o
			o.Settings = short
			c.change(&o.Settings)
			var profile []byte
			o.Profile = func(b []byte) error { profile = b; return nil }
			var told []string
			o.Progress = func(line string) { told = append(told, line) }
			r, err := Run(t.Context(), c.scenario, o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK || r.Checks.Received < c.received || r.Unit != c.unit || r.Count <= 0 || r.PerSecond <= 0 || r.Seconds <= 0 {
				t.Errorf("%+v", r)
			}
			for _, name := range c.latency {
				if l := r.Latency[name]; l.Samples == 0 || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
					t.Errorf("latency %s: %+v", name, l)
				}
			}
			if len(r.Latency) != len(c.latency) || r.Processes == nil || r.Processes.RSS == 0 || len(told) == 0 || r.Server == "" || r.Gateways != 2 {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(string(profile), "/debug/pprof/profile?seconds=") {
				t.Errorf("profile: %q", profile)
			}
			written(t, r)
		})
	}
}

// written writes a report in every form.
func written(t *testing.T, r *Report) {
	t.Helper()
	var js, text, svg bytes.Buffer
	if err := errors.Join(r.WriteJSON(&js), r.WriteText(&text), r.WritePlot(&svg)); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || back.Count != r.Count || back.Version != ReportVersion || back.Settings.Pairs != r.Settings.Pairs {
		t.Errorf("%v\n%s", err, js.String())
	}
	for _, want := range []string{r.Scenario, r.Unit, "load generator", "nothing lost"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	d := xml.NewDecoder(&svg)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// What a server cannot do is said, and no figure is made up.
func TestNoFigure(t *testing.T) {
	o := cluster(t)
	o.PIDs = nil
	for name, change := range map[string]func(*Options){
		"no URL":      func(o *Options) { o.URLs = nil },
		"no tokens":   func(o *Options) { o.Token = nil },
		"no server":   func(o *Options) { o.URLs = []string{"http://127.0.0.1:1"} },
		"no process":  func(o *Options) { o.PIDs = []int{1 << 30} },
		"no profile":  func(o *Options) { o.Profile = func([]byte) error { return nil }; o.Ops = "" },
		"bad token":   func(o *Options) { o.Token = func(context.Context, chat.User) (string, error) { return "x", nil } },
		"token fails": func(o *Options) { o.Token = func(context.Context, chat.User) (string, error) { return "", io.EOF } },
		"bad setting": func(o *Options) { o.InFlight = 500 },
	} {
		bad := o
		bad.Settings = Settings{Pairs: 1, Duration: 10 * time.Millisecond, Warmup: time.Millisecond}
		change(&bad)
		if r, err := Run(t.Context(), Pairs, bad); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if _, err := Run(t.Context(), "nothing", o); err == nil || !strings.Contains(err.Error(), "idle") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Idle, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A server that refuses makes figures that do not count.
func TestRefusedDoesNotCount(t *testing.T) {
	o := cluster(t)
	slow, err := allinone.Start(t.Context(), allinone.Options{Data: t.TempDir(), DevTokens: true, Log: slog.New(slog.DiscardHandler), Limits: chat.Limits{SendsPerS: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := slow.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	o.URLs, o.API, o.PIDs = slow.URLs, slow.URLs[0], nil
	o.Token = func(_ context.Context, u chat.User) (string, error) { return slow.Token(u) }
	o.Settings = Settings{Pairs: 1, InFlight: 16, Warmup: time.Millisecond, Duration: 50 * time.Millisecond}
	r, err := Run(t.Context(), Pairs, o)
	if err != nil || r.OK || r.Checks.Refused == 0 || !strings.Contains(r.Checks.String(), "DO NOT COUNT") || !strings.Contains(r.Checks.String(), "rate_limited") {
		t.Errorf("%+v %v", r, err)
	}
	var svg bytes.Buffer
	if err := r.WritePlot(&svg); err != nil || !strings.Contains(svg.String(), "FAILED") {
		t.Error(err)
	}
}

func TestShape(t *testing.T) {
	for _, name := range Scenarios() {
		s, err := Settings{}.shape(name)
		if err != nil || s.AtOnce == 0 || s.describe(name) == "" {
			t.Errorf("%s: %+v %v", name, s, err)
		}
	}
	s, err := Settings{Connections: 7, Missed: -1, Pairs: 3, Rate: 9}.shape(Storm)
	if err != nil || s.Connections != 6 || s.Missed != -1 || s.Pairs != 0 || s.Rate != 0 || s.AtOnce != 1024 {
		t.Errorf("%+v %v", s, err)
	}
	for _, bad := range []struct {
		scenario string
		s        Settings
		word     string
	}{{Group, Settings{Members: 3000}, "members"}, {Group, Settings{Members: 5, Senders: 6}, "senders"}, {Pairs, Settings{Size: 10}, "size"},
		{Rate, Settings{Rate: -1}, "rate"}, {Flush, Settings{Missed: 5, Convs: 6}, "conversations"}, {History, Settings{Depth: 50, Page: 30}, "page"},
		{Pairs, Settings{Duration: -1}, "duration"}, {Idle, Settings{Connections: -1}, "connections"}} {
		if _, err := bad.s.shape(bad.scenario); err == nil || !strings.Contains(err.Error(), bad.word) {
			t.Errorf("%s %+v: %v", bad.scenario, bad.s, err)
		}
	}
	if !slices.IsSorted(Scenarios()) || len(Scenarios()) != 8 {
		t.Error(Scenarios())
	}
}
