package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
)

// answerTime bounds a request with its answer, so that a client that reads slowly
// is let go. No connection here lives long.
const answerTime = 30 * time.Second

// start runs a part in a goroutine until stop is called, which waits for it. If the
// part fails, everything ends with its error.
func start(end context.CancelCauseFunc, part func(context.Context) error) (stop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := part(ctx); err != nil {
			end(err)
		}
	}()
	return func(context.Context) error {
		cancel()
		<-done
		return nil
	}
}

// serveHTTP serves h to the connections of l, which it closes. stop takes no more
// of them and waits for the requests that are under way.
func serveHTTP(l net.Listener, h http.Handler, log *slog.Logger, end context.CancelCauseFunc) (stop func(context.Context) error) {
	server := rest.NewServer(h, log)
	server.WriteTimeout = answerTime
	return rest.Start(server, l, end)
}

// How often the store is asked for a sign of life, and how long it has for it.
const (
	watchEvery = 5 * time.Second
	watchTime  = 2 * time.Second
)

// pinger is what watch needs of a store.
type pinger interface{ Ping(context.Context) error }

// watch tells operators whether the store answers, until ctx ends. Requests find
// out by themselves.
func watch(ctx context.Context, port *ops.Server, store pinger) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		ping, cancel := context.WithTimeout(ctx, watchTime)
		err := store.Ping(ping)
		cancel()
		switch {
		case err == nil:
			port.Degraded("mongodb", "")
		case ctx.Err() == nil:
			port.Degraded("mongodb", "it does not answer")
		}
	}
}
