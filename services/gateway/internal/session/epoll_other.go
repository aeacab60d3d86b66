//go:build !linux

package session

import (
	"errors"
	"log/slog"
	"net"
)

// NewEpoll fails: this system has no epoll.
func NewEpoll(*slog.Logger) (Poller, error) {
	return nil, errors.New("event-driven reading needs Linux")
}

func shutdown(net.Conn) bool { return false }
