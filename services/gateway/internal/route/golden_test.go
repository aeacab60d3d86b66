package route

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// busGolden is what earlier versions put on the bus: a line each, name and bytes. During
// an upgrade two versions are on one bus. Never change a line: a format that changes
// gets a version byte of its own and a line of its own, is sent only when no pod of
// the version before can be there any more, and both are read. docs/upgrade.md has the
// rule.
const busGolden = "testdata/bus.golden"

var goldenTime = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)

func goldenOrigin() Origin {
	return Origin{Epoch: "epoch", Pod: "0123456789abcdef", Last: 300, Settled: 299, Number: 300, Part: 0, Parts: 1}
}

func goldenEntries() []Announced {
	direct := chat.Key{NS: "_", Conv: "d_abcdefghijklmnopqrstuvwxyz"}
	return []Announced{
		{Frame: Frame{Key: direct, Seq: 5, Kind: chat.KindMessage, Members: 2, Concerns: []chat.User{"alice", "bob@example.com"}, Data: []byte(`{"type":"message"}`)}, From: "alice", Count: 4, MV: 1, Time: goldenTime},
		{Frame: Frame{Key: key, Seq: 900, Kind: chat.KindMembers, Members: 3, Leaving: []chat.User{"carol"}, Closing: true, Concerns: []chat.User{"carol"}, Data: []byte(`{"type":"members"}`)}, From: "bob", Count: 800, MV: 900, Time: goldenTime},
	}
}

func goldenMarks() []Marks {
	return []Marks{{Receipt: Receipt{Key: key, User: "alice", Delivered: 300, Read: 2}, Time: goldenTime}, {Receipt: Receipt{Key: key, User: "bob", Delivered: 4, Hidden: true}, Time: goldenTime}}
}

// onTheBus is what this version sends, by name.
func onTheBus() map[string][]byte {
	mail := goldenOrigin()
	mail.To = 0xdeadbeef
	bye := goldenOrigin()
	bye.Number, bye.Parts, bye.Bye = 0, 0, true
	digest := AppendDigest(nil, 300, 2, []Hash{1, 0xfffffffe})
	return map[string][]byte{
		"entries-2":       AppendEnvelope(nil, goldenOrigin(), goldenEntries()),
		"mail-2":          AppendEnvelope(nil, mail, goldenEntries()[:1]),
		"nothing-2":       AppendEnvelope(nil, goldenOrigin(), nil),
		"beat-2":          AppendBeat(nil, bye, nil),
		"beat-digest-2":   AppendBeat(nil, goldenOrigin(), digest),
		"receipts-1":      AppendMarks(nil, "epoch", goldenMarks()[:1]),
		"receipts-hide-2": AppendMarks(nil, "epoch", goldenMarks()),
	}
}

func golden(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(busGolden)
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string][]byte)
	for line := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		if m[name], err = hex.DecodeString(digits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return m
}

// Pods of the version before must understand this one: what it sends is what they sent.
func TestSendsWhatEarlierVersionsRead(t *testing.T) {
	was := golden(t)
	for name, data := range onTheBus() {
		if string(was[name]) != string(data) {
			t.Errorf("%s is not as it was: earlier versions cannot read it (see docs/upgrade.md)\nwas %x\nis  %x", name, was[name], data)
		}
	}
}

// This version must understand pods of the version before, by every line that was ever
// written.
func TestReadsWhatEarlierVersionsSend(t *testing.T) {
	was := golden(t)
	mail, bye := goldenOrigin(), goldenOrigin()
	mail.To = 0xdeadbeef
	bye.Number, bye.Parts, bye.Bye = 0, 0, true
	for name, want := range map[string]struct {
		Origin
		entries []Announced
	}{
		"entries-2": {goldenOrigin(), goldenEntries()}, "mail-2": {mail, goldenEntries()[:1]}, "nothing-2": {goldenOrigin(), nil},
		"beat-2": {bye, nil}, "beat-digest-2": {goldenOrigin(), nil},
	} {
		o, list, err := ParseEnvelope(was[name])
		if err != nil || o != want.Origin || fmt.Sprint(list) != fmt.Sprint(want.entries) {
			t.Errorf("%s: %+v %+v, %v", name, o, list, err)
		}
	}
	var s Scanner
	if err := s.Open(was["beat-digest-2"]); err != nil {
		t.Fatal(err)
	}
	for s.Next() {
		t.Error("there is an entry in a beat")
	}
	lines := 0
	for l := range s.Digest.All {
		var to []Hash
		for h := range l.To {
			to = append(to, h)
		}
		if lines++; l.Number != 300 || l.Parts != 2 || fmt.Sprint(to) != fmt.Sprint([]Hash{1, 0xfffffffe}) {
			t.Errorf("%+v %v", l, to)
		}
	}
	if lines != 1 {
		t.Errorf("%d lines", lines)
	}
	for name, n := range map[string]int{"receipts-1": 1, "receipts-hide-2": 2} {
		if epoch, got, err := ParseMarks(was[name]); err != nil || epoch != "epoch" || fmt.Sprint(got) != fmt.Sprint(goldenMarks()[:n]) {
			t.Errorf("%s: %s %+v, %v", name, epoch, got, err)
		}
	}
}
