package verify

import (
	"fmt"
	"slices"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// folded is a history in which messages were edited, recalled and reacted to, and
// every promise is kept.
func folded() *History {
	var entries []Fact
	add := func(typ string, from chat.User, target chat.Seq) *Fact {
		seq := chat.Seq(len(entries) + 1)
		cmid := chat.CMID(fmt.Sprint("c", seq))
		f := Fact{Conv: group, Seq: seq, Type: typ, From: from, CMID: cmid, Content: sum(string(cmid)), Rest: sum("rest"), Count: min(int64(seq), 3), Target: target}
		if typ == "message" || typ == "edited" {
			f.Body = sum("body " + string(cmid))
		}
		entries = append(entries, f)
		return &entries[seq-1]
	}
	add("message", "alice", 0)
	add("message", "bob", 0)
	add("message", "alice", 0)
	add("edited", "alice", 1)
	add("edited", "bob", 2)
	add("edited", "alice", 1)
	for _, r := range []struct {
		from  chat.User
		emoji string
		on    bool
	}{{"bob", "👍", true}, {"alice", "👍", true}, {"bob", "❤️", true}, {"bob", "👍", false}} {
		f := add("reacted", r.from, 1)
		f.Emoji, f.On = r.emoji, r.on
	}
	add("recalled", "alice", 2)
	h := &History{Convs: map[chat.ConvID]*Conv{}}
	for _, i := range []int{1, 4} {
		entries[i].Gone = true
	}
	for _, f := range entries {
		h.Made = append(h.Made, Fact{Conv: group, Type: f.Type, From: f.From, CMID: f.CMID, Content: f.Content, Target: f.Target})
	}
	m1, m2, m3 := entries[0], entries[1], entries[2]
	m1.Body, m1.Content = entries[5].Body, sum("another")
	m1.Folded = &Folded{Edited: 6, Reactions: reactionsOf([]wire.ReactionFold{
		{Emoji: "👍", Count: 1, Users: []chat.User{"alice"}}, {Emoji: "❤️", Count: 1, Users: []chat.User{"bob"}}})}
	m2.Folded = &Folded{Edited: 5, Recalled: 11, By: "alice"}
	m3.Folded = &Folded{}
	h.Convs[group] = &Conv{Members: []chat.User{"alice", "bob"}, Head: 11, Entries: entries, Messages: []Fact{m1, m2, m3}}
	return h
}

func TestFoldedHistories(t *testing.T) {
	if v := Check(folded()); len(v.Counts) != 0 {
		t.Fatalf("the good history: %+v", v.Violations)
	}
	for _, bad := range []struct {
		name      string
		invariant string
		spoil     func(h *History, c *Conv)
	}{
		{"an edit is not shown", "I4", func(h *History, c *Conv) { c.Messages[0].Folded.Edited = 4 }},
		{"an old body is shown", "I4", func(h *History, c *Conv) { c.Messages[0].Body = c.Entries[3].Body }},
		{"another body is shown", "I4", func(h *History, c *Conv) { c.Messages[2].Body = sum("x") }},
		{"a recalled message can be read", "I4", func(h *History, c *Conv) { c.Entries[1].Gone = false }},
		{"an edit of it can be read", "I4", func(h *History, c *Conv) { c.Entries[4].Gone = false }},
		{"the view shows what was recalled", "I4", func(h *History, c *Conv) { c.Messages[1].Gone = false }},
		{"a recall is not shown", "I4", func(h *History, c *Conv) { c.Messages[1].Folded.Recalled = 0 }},
		{"another is said to have recalled", "I4", func(h *History, c *Conv) { c.Messages[1].Folded.By = "bob" }},
		{"a reaction too many", "I4", func(h *History, c *Conv) { c.Entries[8].On = false }},
		{"a reaction of another", "I4", func(h *History, c *Conv) { c.Entries[8].From = "alice" }},
		{"edited after the recall", "I4", func(h *History, c *Conv) { c.Entries[5].Type, c.Entries[5].Target = "recalled", 1 }},
		{"an edit of what is no message", "I4", func(h *History, c *Conv) { c.Entries[5].Target = 4 }},
		{"refused and stored", "I1", func(h *History, c *Conv) {
			f := Fact{Conv: group, Type: "reacted", From: "bob", CMID: "c7", Content: sum("c7"), Target: 1}
			h.Clients = []ClientLog{{User: "bob", Device: "d", Events: []Event{{Kind: Submit, Fact: f}, {Kind: Refused, Code: "not_found", Fact: Fact{CMID: "c7"}}}}}
		}},
		{"refused without a reason", "I1", func(h *History, c *Conv) {
			f := Fact{Conv: group, Type: "reacted", From: "bob", CMID: "new", Target: 3}
			h.Clients = []ClientLog{{User: "bob", Device: "d", Events: []Event{{Kind: Submit, Fact: f}, {Kind: Refused, Code: "not_found", Fact: Fact{CMID: "new"}}}}}
		}},
	} {
		h := folded()
		bad.spoil(h, h.Convs[group])
		if v := Check(h); v.Counts[bad.invariant] == 0 {
			t.Errorf("%s: not found: %+v", bad.name, v.Violations)
		}
	}
	h := folded() // a change that came after the recall is rightly refused
	f := Fact{Conv: group, Type: "edited", From: "bob", CMID: "new", Target: 2}
	h.Clients = []ClientLog{{User: "bob", Device: "d", Events: []Event{{Kind: Submit, Fact: f}, {Kind: Refused, Code: "not_found", Fact: Fact{CMID: "new"}}}}}
	if v := Check(h); v.Counts["I1"] != 0 {
		t.Errorf("%+v", v.Violations)
	}
}

// A change that is sent and one that is seen have the same content if, and only if,
// they say the same.
func TestContentOfChanges(t *testing.T) {
	one, two, on, off := chat.Seq(1), chat.Seq(2), true, false
	frames := []wire.Frame{
		&wire.Edit{Target: &one, Body: []byte(`{"text":"x"}`)}, &wire.Edit{Target: &two, Body: []byte(`{"text":"x"}`)}, &wire.Edit{Target: &one, Body: []byte(`{"text":"y"}`)},
		&wire.Recall{Target: &one}, &wire.Recall{Target: &two},
		&wire.React{Target: &one, Emoji: "👍", On: &on}, &wire.React{Target: &one, Emoji: "👍", On: &off}, &wire.React{Target: &one, Emoji: "❤️", On: &on},
	}
	var seen []Sum
	for _, f := range frames {
		c := changeFact("bob", f).Content
		if slices.Contains(seen, c) {
			t.Errorf("%+v has the content of another", f)
		}
		seen = append(seen, c)
	}
	stored := wire.Entry{Type: "reacted", Conv: group, Seq: 9, From: "bob", Target: 1, Emoji: "👍", On: &on, Count: 3}
	if factOf(&stored).Content != seen[5] {
		t.Error("as sent and as stored differ")
	}
}
