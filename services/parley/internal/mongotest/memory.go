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
func OpenMemory() (*Server, error) { return OpenObserved(nil) }

// OpenObserved is [OpenMemory] with each command on a collection told to observe,
// which must not block.
func OpenObserved(observe func(mongomem.Command)) (*Server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	mem := mongomem.New()
	mem.Observe = observe
	go func() { done <- mem.Serve(ctx, ln) }()
	return &Server{URI: "mongodb://" + ln.Addr().String() + "/", Memory: mem, stop: func() error {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			return fmt.Errorf("serving mongomem: %w", err)
		}
		return nil
	}}, nil
}
