package history

import (
	"net/http"
	"sync/atomic"
	"time"
)

// meter counts answers by class of status.
type meter struct {
	observe func(seconds float64) // may be nil

	ok, client, unauthenticated, server atomic.Uint64
}

// Answers counts the answers so far by class of status: "ok", "client" and
// "server" for 2xx, 4xx and 5xx, and "unauthenticated" for 401, which is not in
// "client". It does not block.
func (s *Service) Answers() map[string]uint64 {
	m := &s.meter
	return map[string]uint64{"ok": m.ok.Load(), "client": m.client.Load(),
		"unauthenticated": m.unauthenticated.Load(), "server": m.server.Load()}
}

func (m *meter) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, seen := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		if m.observe != nil {
			m.observe(time.Since(begun).Seconds())
		}
		switch {
		case seen.status >= http.StatusInternalServerError:
			m.server.Add(1)
		case seen.status == http.StatusUnauthorized:
			m.unauthenticated.Add(1)
		case seen.status >= http.StatusBadRequest:
			m.client.Add(1)
		default:
			m.ok.Add(1)
		}
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // not one of the informational ones before it
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
