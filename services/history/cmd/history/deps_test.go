package main

import (
	"os/exec"
	"strings"
	"testing"
)

// What must not get into the production binary, and why.
var forbidden = map[string]string{
	"testing":                        "test code has no place in production; testing.Init adds flags and costs start-up time",
	"github.com/nats-io/nats-server": "the NATS server is embedded by the all-in-one binary only",
	"github.com/nats-io/nats.go":     "history needs no bus: what it answers is in the store",
	"github.com/cockroachdb/pebble":  "Pebble is the all-in-one binary's store",
	"github.com/FerretDB/FerretDB":   "FerretDB stands in for MongoDB in tests",
	"go.uber.org/goleak":             "it is for tests",
	"github.com/coder/websocket":     "sockets are the gateway's",
	module + "/pkg/store/memstore":   "it keeps nothing",
	module + "/pkg/store/storetest":  "it is for tests",
	module + "/services/gateway":     "services know one another by their address only",
	module + "/services/parley":      "the all-in-one binary embeds this service, not the other way round",
}

const module = "github.com/parley-chat/parley"

func TestForbiddenDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	found := false
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		found = found || pkg == module+"/services/history"
		for path, why := range forbidden {
			if pkg == path || strings.HasPrefix(pkg, path+"/") {
				t.Errorf("%s is linked in: %s", pkg, why)
			}
		}
	}
	if !found {
		t.Errorf("go list does not know this binary:\n%s", out)
	}
}
