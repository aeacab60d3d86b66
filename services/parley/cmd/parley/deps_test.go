package main

import (
	"testing"

	"github.com/parley-chat/parley/internal/deps"
)

// What must not get into the all-in-one binary, and why.
var forbidden = map[string]string{
	"testing":                             "test code has no place in it; testing.Init adds flags and costs start-up time",
	"github.com/FerretDB/FerretDB":        "FerretDB stands in for MongoDB in tests",
	"github.com/Shopify/toxiproxy":        "it plays faults in the drill",
	"go.uber.org/goleak":                  "it is for tests",
	deps.Module + "/pkg/store/memstore":   "it keeps nothing",
	deps.Module + "/pkg/store/storetest":  "it is for tests",
	deps.Module + "/services/gateway/cmd": "commands are not libraries",
}

func TestForbiddenDependencies(t *testing.T) {
	deps.Forbid(t, deps.Module+"/services/gateway", forbidden)
}
