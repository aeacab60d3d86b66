// Package ops is the operations port of a binary: probes, metrics and profiles.
// It is for operators and their machines, and is not served to the world.
package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Options is what the operations port says of its binary.
type Options struct {
	// Version is shown by /readyz and as the metric parley_build_info. "": "dev".
	Version string
	// Logger gets changes of readiness. Nil: nothing is logged.
	Logger *slog.Logger
}

// Server is the operations port. It begins as starting, which is not ready. Its
// methods are safe for concurrent use and do not block, except Serve.
type Server struct {
	Metrics

	version string
	log     *slog.Logger
	mux     *http.ServeMux

	mu       sync.Mutex
	status   Status
	degraded map[string]string
}

// Status is what /readyz says of the binary.
type Status string

// The statuses. A binary goes through them in this order, and may go to and fro
// between ready and degraded. In starting and draining it is not ready.
const (
	StatusStarting Status = "starting"
	StatusReady    Status = "ready"
	StatusDegraded Status = "degraded"
	StatusDraining Status = "draining"
)

// New makes the operations port.
func New(o Options) *Server {
	s := &Server{
		version:  o.Version,
		log:      o.Logger,
		status:   StatusStarting,
		degraded: map[string]string{},
	}
	if s.version == "" {
		s.version = "dev"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.Metrics.init(s.version)
	s.Gauge("ready", "1 while the binary takes new clients.", func() float64 { return toFloat(s.readiness().ready()) })
	s.GaugeBy("degraded", "1 for each part that does not work as it should.", "part", func() map[string]float64 {
		parts := map[string]float64{}
		for part := range s.readiness().Degraded {
			parts[part] = 1
		}
		return parts
	})

	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /livez", livez)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.mux.Handle("GET /metrics", s.Metrics.handler())
	s.HandleJSON("/metrics/list", func() any { return s.List() })
	s.mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	// Without /debug/pprof/cmdline: URIs with passwords may be given as flags.
	s.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	s.mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	s.mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	s.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return s
}

func toFloat(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// SetReady says that the binary takes clients now, or takes no more. Once it has
// taken no more, it is draining for good.
func (s *Server) SetReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.status
	switch {
	case ready && s.status == StatusStarting:
		s.status = StatusReady
	case !ready && s.status == StatusReady:
		s.status = StatusDraining
	}
	if s.status != old {
		s.log.Info("readiness changed", "from", old, "to", s.status)
	}
}

// Degraded says that a part ("nats", "mongodb") does not work as it should, and
// why; "" says that it does. It does not change readiness: other pods have the
// same trouble, and a pod that is taken out of service throws its clients out.
// The reason must not contain secrets.
func (s *Server) Degraded(part, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.degraded[part]
	switch {
	case reason == "" && ok:
		delete(s.degraded, part)
		s.log.Info("no longer degraded", "part", part, "reason", was)
	case reason != "":
		s.degraded[part] = reason
		if was != reason {
			s.log.Warn("degraded", "part", part, "reason", reason)
		}
	}
}

// readiness is the answer of /readyz.
type readiness struct {
	Status   Status            `json:"status"`
	Degraded map[string]string `json:"degraded,omitempty"` // part → reason
	Version  string            `json:"version"`
}

func (r readiness) ready() bool { return r.Status == StatusReady || r.Status == StatusDegraded }

func (s *Server) readiness() readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := readiness{Status: s.status, Degraded: maps.Clone(s.degraded), Version: s.version}
	if r.Status == StatusReady && len(r.Degraded) > 0 {
		r.Status = StatusDegraded
	}
	return r
}

// livez has no dependency: a restart mends nothing that is broken elsewhere.
func livez(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // an error is the prober's
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	r := s.readiness()
	body, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		http.Error(w, "encode: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !r.ready() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n')) // an error is the prober's
}

// Handler is what the port serves.
func (s *Server) Handler() http.Handler { return s.mux }

// Serve listens on addr and serves until ctx ends; then it returns nil. Requests
// that are under way then, such as a profile, are cut off.
func (s *Server) Serve(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for operations: %w", err)
	}
	return s.ServeListener(ctx, l)
}

// ServeListener is Serve with a listener that is there already; it closes it.
func (s *Server) ServeListener(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // the longest profile
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = srv.Close() // closes l; what it could say, Serve says
	})
	err := srv.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve operations: %w", err)
}
