package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// NewServer is an http.Server with the bounds that every service wants: a client
// that sends its request slowly is cut off, and one that idles is let go. Answers
// are bounded by their handlers; WebSocket connections leave the server when they
// are accepted.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
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
