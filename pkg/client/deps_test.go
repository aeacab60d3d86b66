package client

import (
	"testing"

	"github.com/parley-chat/parley/internal/deps"
)

// Whoever speaks to a server need not link one.
func TestDependencies(t *testing.T) {
	const server = "this is a server's, and a client is linked into other people's programs"
	deps.Forbid(t, deps.Module+"/pkg/wire", map[string]string{
		deps.Module + "/services":     server,
		deps.Module + "/pkg/store":    server,
		deps.Module + "/pkg/bus":      server,
		"github.com/nats-io":          server,
		"github.com/go-chi":           server,
		"go.mongodb.org":              server,
		"github.com/prometheus":       server,
		"github.com/golang-jwt":       "the server checks tokens",
		"testing":                     "test code",
		"github.com/stretchr/testify": "test code",
	})
}
