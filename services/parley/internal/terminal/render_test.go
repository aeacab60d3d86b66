package terminal

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 👍\nline": "plain é 👍\nline", "a\tb": "a b", "\x1b]0;title\x07": "\uFFFD]0;title\uFFFD", "\x9b31m": "\uFFFD31m",
		"a\rb": "a\uFFFDb", "x\u202Ey": "x\uFFFDy", "x\u2028y": "x\uFFFDy", "\u0085": "\uFFFD",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestEntries(t *testing.T) {
	now := time.Date(2026, 11, 21, 15, 4, 0, 0, time.UTC)
	var out bytes.Buffer
	s := screen{out: &out, me: "me", now: func() time.Time { return now }}
	off := false
	for _, e := range []wire.Entry{
		{Type: "message", Body: []byte(`{"text":"two\nlines"}`)},
		{Type: "message", Body: []byte(`{"attachments":[{"id":"x","name":"cat.png","type":"image/png","size":1}]}`)},
		{Type: "message", Body: []byte(`{"data":{"a":1}}`)},
		{Type: "message", Gone: true},
		{Type: "edited", Target: 3, Body: []byte(`{"text":"better"}`)},
		{Type: "recalled", Target: 3},
		{Type: "reacted", Target: 3, Emoji: "👍"},
		{Type: "reacted", Target: 3, Emoji: "👍", On: &off},
		{Type: "members", Change: chat.ChangeCreated, Title: "team", Users: []chat.UserRole{{User: "bob"}, {User: "carol"}}},
		{Type: "members", Change: chat.ChangeAdded, Users: []chat.UserRole{{User: "dave"}}},
		{Type: "members", Change: chat.ChangeRenamed, Title: "new"},
		{Type: "polled"},
	} {
		e.From, e.Time = "bob", wire.Time{Time: now}
		s.entry(&e)
	}
	old := wire.Entry{Type: "message", From: "bob", Time: wire.Time{Time: now.AddDate(0, 0, -1)}, Body: []byte(`{"text":"yesterday"}`)}
	s.entry(&old)
	got := strings.NewReplacer(dim, "", bold, "", plain, "").Replace(out.String())
	want := `15:04 bob: two
      lines
15:04 bob: [file cat.png]
15:04 bob: [data {"a":1}]
15:04 bob: (taken back)
  15:04 bob changed #3: better
  15:04 bob took back #3
  15:04 bob: 👍 to #3
  15:04 bob took 👍 from #3
  15:04 bob made this group "team" with bob, carol
  15:04 bob: added dave
  15:04 bob named this group "new"
  15:04 bob: polled
20 Nov 15:04 bob: yesterday
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLatest(t *testing.T) {
	own := []chat.Seq{2, 5, 9}
	for limit, want := range map[chat.Seq]chat.Seq{0: 0, 1: 0, 2: 2, 4: 2, 5: 5, 8: 5, 100: 9} {
		if got := latest(own, limit); got != want {
			t.Errorf("%d: %d, want %d", limit, got, want)
		}
	}
}
