package main

import (
	"testing"

	"github.com/parley-chat/parley/internal/deps"
)

// What must not get into the production binary, and why.
var forbidden = map[string]string{
	"testing":                            "test code has no place in production; testing.Init adds flags and costs start-up time",
	"github.com/nats-io/nats-server":     "the NATS server is embedded by the all-in-one binary only",
	"github.com/nats-io/nats.go":         "history needs no bus: what it answers is in the store",
	"github.com/cockroachdb/pebble":      "Pebble is the all-in-one binary's store",
	"github.com/FerretDB/FerretDB":       "FerretDB stands in for MongoDB in tests",
	"go.uber.org/goleak":                 "it is for tests",
	"github.com/coder/websocket":         "sockets are the gateway's",
	deps.Module + "/pkg/blob/s3fake":     "it is for tests",
	deps.Module + "/pkg/certs/certstest": "it is for tests",
	deps.Module + "/pkg/blob/diskblob":   "the all-in-one binary keeps files in a folder; pods have none",
	deps.Module + "/pkg/store/memstore":  "it keeps nothing",
	deps.Module + "/pkg/store/storetest": "it is for tests",
	deps.Module + "/services/gateway":    "services know one another by their address only",
	deps.Module + "/services/parley":     "the all-in-one binary embeds this service, not the other way round",
}

func TestForbiddenDependencies(t *testing.T) {
	deps.Forbid(t, deps.Module+"/services/history", forbidden)
}
