// Command mongowire is a MongoDB-wire server for tests: FerretDB version 1 with
// its SQLite backend, embedded, behind a proxy that makes up for its updates not
// being atomic. It listens on a loopback port, prints {"uri": …} as one line of
// JSON when it is ready, and ends on SIGTERM, SIGINT, or when its standard input
// is closed, so that it cannot outlive the test that started it.
//
// It is a process of its own because FerretDB is ten times slower under the race
// detector.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

func main() {
	dir := flag.String("data", "", "directory of the data; default: a temporary one, removed at the end")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // any end of the input is the end
		cancel()
	}()

	if err := run(ctx, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "mongowire:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "mongowire")
		if err != nil {
			return fmt.Errorf("making the data directory: %w", err)
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	// Embedded, FerretDB reports no telemetry.
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/",
	})
	if err != nil {
		return fmt.Errorf("starting FerretDB: %w", err)
	}
	done := make(chan error, 1)
	dbCtx, stopDB := context.WithCancel(context.WithoutCancel(ctx))
	go func() { done <- db.Run(dbCtx) }()
	defer func() { stopDB(); <-done }()

	behind, err := url.Parse(db.MongoDBURI())
	if err != nil {
		return fmt.Errorf("reading FerretDB's address: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	proxy := wireproxy.New(wireproxy.Options{Target: behind.Host, Serialize: true})
	ready, err := json.Marshal(map[string]string{"uri": "mongodb://" + ln.Addr().String() + "/"})
	if err != nil {
		return fmt.Errorf("encoding the address: %w", err)
	}
	if _, err := fmt.Printf("%s\n", ready); err != nil {
		return fmt.Errorf("telling the address: %w", err)
	}
	if err := proxy.Serve(ctx, ln); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
