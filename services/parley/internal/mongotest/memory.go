package mongotest

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
)

// OpenMemory is [Open] with package mongomem, in this process: for load, where
// FerretDB's scans would hide what is looked for. It says nothing about MongoDB.
func OpenMemory() (*Server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mongomem.New().Serve(ctx, ln) }()
	return &Server{URI: "mongodb://" + ln.Addr().String() + "/", stop: func() error {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			return fmt.Errorf("serving mongomem: %w", err)
		}
		return nil
	}}, nil
}
