package presence

import (
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// golden is what version 1 tells, as JSON. Never change it: during an upgrade two
// versions are on one bus (docs/upgrade.md). Fields may be added.
const golden = "testdata/message-1.json"

func TestMessageStaysReadable(t *testing.T) {
	was, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(was))
	bob := userMessage{"_", "bob@example.com"}
	data, err := json.Marshal(&message{Presence: 1, Epoch: "epoch", Pod: "pod-1", Up: 1000, Users: 2, Sessions: 3, Bye: true,
		Ask: []userMessage{bob}, Tell: []tellMessage{{userMessage: bob, On: true}, {userMessage: userMessage{"_", "carol"}, Seen: 1767323045006}},
		Typing: []typingMessage{{bob, "g_abcdefghijklmnopqrstuvwxyz", true}}})
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != text {
		t.Errorf("earlier versions say\n%s\nand this one\n%s", text, data)
	}
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil || len(m.Tell) != 2 || m.Tell[1].Seen != 1767323045006 || !m.Typing[0].On || m.Ask[0] != bob || !Is([]byte(text)) {
		t.Errorf("%+v, %v", m, err)
	}
	var later message
	if err := json.Unmarshal([]byte(`{"presence":1,"new":{"x":1},"users":7}`), &later); err != nil || later.Users != 7 {
		t.Errorf("a new field is not passed over: %+v, %v", later, err)
	}
}
