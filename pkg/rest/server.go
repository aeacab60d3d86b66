package rest

import (
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
