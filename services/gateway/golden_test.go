package gateway

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/presence"
	"github.com/parley-chat/parley/services/gateway/internal/roster"
)

// controlGolden is what earlier versions say on the control subject, a line each: name
// and JSON. Never change a line: see docs/upgrade.md. Fields may be added; pods that do
// not know them pass over them.
const controlGolden = "testdata/control.golden"

func controls() map[string]any {
	yes := true
	return map[string]any{
		"kick":   &kick{Kick: 1, NS: "_", User: "alice", Device: "phone", Attempt: 1767323045006, Session: "188d1e3b2f"},
		"frame":  &notice{Notice: 1, Epoch: "epoch", NS: "_", User: "alice", Conv: "g_abcdefghijklmnopqrstuvwxyz", Frame: []byte(`{"type":"conversation"}`)},
		"device": &notice{Notice: 1, Epoch: "epoch", NS: "_", User: "alice", Device: "phone", Before: "188d1e3b2f"},
		"hide":   &notice{Notice: 1, Epoch: "epoch", NS: "_", User: "alice", Hide: &yes},
		"status": &roster.Status{Version: 1, Epoch: "epoch", Pod: "0123456789abcdef", Name: "gateway-1", Server: "parley v1", Routing: "broadcast",
			Up: 1000, Sessions: 5, Users: 4, Syncing: 1, Leaving: 1, Pending: 2, Last: 300, Open: 1, Lag: 7, Draining: true},
		"rebalance": &rebalanceCall{Rebalance: 1, Epoch: "epoch", ForMS: 600000},
	}
}

func TestControlMessagesStayReadable(t *testing.T) {
	text, err := os.ReadFile(controlGolden)
	if err != nil {
		t.Fatal(err)
	}
	present := controls()
	known := 0
	for line := range strings.Lines(string(text)) {
		name, was, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, ok := present[name]
		if !ok {
			t.Errorf("%s is not sent any more: earlier versions wait for it", name)
			continue
		}
		known++
		// Earlier versions find every field that they know.
		if lack := lacking(t, was, string(wire.Encode(v))); lack != "" {
			t.Errorf("%s: earlier versions need %s", name, lack)
		}
		// This version reads theirs: what it makes of it is what they meant.
		if lack := lacking(t, was, readAsControl(t, name, was)); lack != "" {
			t.Errorf("%s: this version has not understood %s", name, lack)
		}
		// The first field tells a message from others, by its bytes.
		if first, _, _ := strings.Cut(was, ":"); !strings.HasPrefix(string(wire.Encode(v)), first+":") {
			t.Errorf("%s does not begin with %s any more", name, first)
		}
	}
	if known != len(present) {
		t.Errorf("%d messages, and %d lines in %s", len(present), known, controlGolden)
	}
	for _, data := range []string{`{"status":1,"pod":"x"}`, `{"rebalance":1}`} {
		if presence.Is([]byte(data)) {
			t.Errorf("%s is taken for presence", data)
		}
	}
}

// readAsControl decodes a message as onSocial does, and encodes it again.
func readAsControl(t *testing.T, name, was string) string {
	t.Helper()
	var v any
	switch name {
	case "kick":
		v = new(kick)
	case "status":
		v = new(roster.Status)
	case "rebalance":
		v = new(rebalanceCall)
	default:
		v = new(notice)
	}
	if err := json.Unmarshal([]byte(was), v); err != nil {
		t.Fatal(err)
	}
	return string(wire.Encode(v))
}

// lacking names a member of one JSON object that another has not, or has otherwise.
func lacking(t *testing.T, was, is string) string {
	t.Helper()
	var a, b map[string]any
	if json.Unmarshal([]byte(was), &a) != nil || json.Unmarshal([]byte(is), &b) != nil {
		t.Fatalf("%s, %s", was, is)
	}
	for k, v := range a {
		if fmt.Sprint(b[k]) != fmt.Sprint(v) {
			return fmt.Sprintf("%q: %v, and it is %v", k, v, b[k])
		}
	}
	return ""
}

// A message of a later version is passed over, and harms nobody.
func TestLaterVersionsArePassedOver(t *testing.T) {
	c := newCluster(t, 1)
	g := c.gates[0]
	alice, _ := c.login(0, "alice", "")
	for _, data := range []string{"", `{"kick":2,"ns":"_","user":"alice","device":"default","attempt":9999999999999,"session":"z"}`,
		`{"status":2,"pod":"x","sessions":1}`, `{"rebalance":2,"for_ms":1}`, `{"notice":2}`, `{"new":1}`, "P\x09", "R\x09", `{"presence":2}`} {
		g.onSocial([]byte(data))
		g.onEntries([]byte(data))
		g.onSignals([]byte(data))
	}
	if list := g.Pods(); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if ack := alice.sendTo("bob", "m1", "still here"); ack.Seq != chat.Seq(1) {
		t.Errorf("%+v", ack)
	}
}
