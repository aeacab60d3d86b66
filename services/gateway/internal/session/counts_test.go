package session

import (
	"testing"

	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/tally"
)

// Every frame of the protocol is counted by its type, and no other type is.
func TestFramesAreCountedByType(t *testing.T) {
	c := NewCounts()
	types := map[bool]map[string]bool{true: {}, false: {}}
	for _, f := range spec.Frames {
		types[f.Client][f.Type] = true
	}
	for client, counts := range map[bool]*tally.Tally{true: c.Received, false: c.Sent} {
		counted := counts.Read()
		for name := range types[client] {
			if _, ok := counted[name]; !ok {
				t.Errorf("%q (of clients: %v) is counted as %q", name, client, tally.Other)
			}
		}
		for name := range counted {
			if !types[client][name] && name != tally.Other && name != Invalid {
				t.Errorf("%q (of clients: %v) is no frame", name, client)
			}
		}
	}
}
