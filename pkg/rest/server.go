package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// NewServer is an http.Server with the bounds that every service wants: a client
// that sends its request slowly is cut off, and one that idles is let go. Answers
// are bounded by their handlers; WebSocket connections leave the server when they
// are accepted.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           countRequests(h),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, arrivalKey{}, &arrival{at: time.Now()})
		},
	}
}

type arrivalKey struct{}

// arrival is when a connection was taken.
type arrival struct {
	at   time.Time
	asks atomic.Int64 // requests that came over it
}

// countRequests tells the first request of a connection from later ones.
func countRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := r.Context().Value(arrivalKey{}).(*arrival); ok {
			a.asks.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// Arrived is when the connection was taken of which r is the first request. For later
// ones, which have waited for nothing, and for servers that are not of [NewServer], it
// is now.
func Arrived(r *http.Request, now time.Time) time.Time {
	if a, ok := r.Context().Value(arrivalKey{}).(*arrival); ok && a.asks.Load() == 1 {
		return a.at
	}
	return now
}

// Start has srv answer on ln, which it closes, and returns at once. failed is called, at
// most once and in another goroutine, with the error of a server that ends by itself.
// stop is [Shutdown], and returns when nothing runs any more.
func Start(srv *http.Server, ln net.Listener, failed func(error)) (stop func(context.Context) error) {
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("serve: %w", err))
		}
	}()
	return func(ctx context.Context) error {
		err := Shutdown(ctx, srv)
		<-served
		return err
	}
}

// leave is how long a connection that has not sent a request may keep Shutdown
// waiting; net/http gives it 5 s.
const leave = time.Second

// Shutdown ends a server: requests that are under way are answered, as long as
// they take no more than a second or ctx does not end before; then it closes what
// is left.
func Shutdown(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, leave)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // what was open had nothing to say
	}
	return errors.Join(err, srv.Close())
}

// slowest is the rate at which a client must move a file, in bytes a second.
const slowest = 16 << 10

// TransferTime is how long a client may take for a file of size bytes: a minute, and
// what it takes at 16 KiB/s.
func TransferTime(size int64) time.Duration {
	return time.Minute + time.Duration(size/slowest)*time.Second
}
