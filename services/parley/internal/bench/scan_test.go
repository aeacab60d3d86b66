package bench

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// What the server's own encoder makes is read.
func TestScanRealFrames(t *testing.T) {
	e := &chat.Entry{Key: chat.Key{Conv: "d_abcdefghijklmnop"}, Seq: 17, Kind: chat.KindMessage, From: "al.ice", Time: time.Now(), CMID: "c-1",
		Count: 12, Body: []byte(`{"text":"run 1 2 3 x"}`), Mentions: []chat.User{"a"}, ReplyTo: 3}
	var f frame
	if !f.scan(wire.AppendEntry(nil, e)) || string(f.typ) != "message" || string(f.conv) != "d_abcdefghijklmnop" || f.seq != 17 ||
		string(f.from) != "al.ice" || string(f.cmid) != "c-1" || string(f.text) != "run 1 2 3 x" || !f.entry {
		t.Errorf("%+v", f)
	}
	if !f.scan(wire.AppendAck(nil, "r", e, true)) || string(f.typ) != "ack" || f.seq != 17 || !f.dup || f.entry || f.text != nil {
		t.Errorf("%+v", f)
	}
	page := wire.Encode(&wire.Page[wire.Entry]{Type: "page", Conv: e.Conv, Items: []wire.Entry{wire.NewEntry(e), wire.NewEntry(e)}, Head: 20})
	n := 0
	if !f.scan(page) || !each(f.items, func(b []byte) {
		var item frame
		if item.scan(b) && item.seq == 17 && string(item.text) == "run 1 2 3 x" {
			n++
		}
	}) || n != 2 {
		t.Errorf("%d items of %s", n, page)
	}
	if !f.scan(wire.Encode(&wire.Conversation{Type: "conversation", Conv: e.Conv, Title: `a "quoted\" } title`, Joined: 5})) || f.joined != 5 {
		t.Errorf("%+v", f)
	}
	if !f.scan(wire.Encode(&wire.Reset{Type: "reset", Conv: e.Conv, Next: 9})) || f.next != 9 {
		t.Errorf("%+v", f)
	}
	if !f.scan(wire.Encode(&wire.Error{Type: "error", Code: chat.CodeRateLimited, Message: "too many"})) || string(f.code) != "rate_limited" || string(f.message) != "too many" {
		t.Errorf("%+v", f)
	}
}

func TestScanOddities(t *testing.T) {
	var f frame
	for _, ok := range []string{`{"a":"\\","seq":4}`, `{"a":"x\"y","seq":4}`, `{"a":[{"b":"]}"},[]],"seq":4}`, `{"a":null,"b":true,"seq":4}`} {
		if !f.scan([]byte(ok)) || f.seq != 4 {
			t.Errorf("%s: %+v", ok, f)
		}
	}
	for _, bad := range []string{"", "x", "{", "{}", `{"a"`, `{"a":`, `{"a":"`, `{"a":"b`, `{"a":"b"`, `{"a":[1,2}`, `{"a":1}x`, `{"a":1 }`, `{"a" :1}`, `{"a":1,}`, `{"a":"\"}`} {
		if f.scan([]byte(bad)) && bad != `{"a":1 }` {
			t.Errorf("%s: it was read", bad)
		}
	}
	if number([]byte("1x")) != -1 || unquoted([]byte("1")) != nil {
		t.Error("what is no number or string")
	}
	for _, bad := range []string{"", "{}", `[{"a":1}`, `[{]`} {
		if each([]byte(bad), func([]byte) {}) {
			t.Errorf("%q is an array", bad)
		}
	}
	if !each([]byte("[]"), func([]byte) { t.Error("an item") }) {
		t.Error("an empty array")
	}
}

// Whatever comes, the scanner neither panics nor reads beyond the end.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"type":"message","seq":1,"body":{"text":"x"},"items":[{"a":"b"}]}`))
	f.Add([]byte(`{"a":"\\\"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var fr, item frame
		if fr.scan(b) {
			each(fr.items, func(b []byte) { item.scan(b) })
		}
		parseStamp(b, ' ')
	})
}

func TestStamp(t *testing.T) {
	for _, s := range []stamp{{0, 1, 0}, {35, 1 << 40, 1 << 60}, {1000, 36, 123456789}} {
		got, ok := parseStamp(append(appendStamp(nil, s, ' '), " and more"...), ' ')
		if !ok || got != s {
			t.Errorf("%v: %v", s, got)
		}
		if got, ok = parseStamp(appendStamp(nil, s, '-'), '-'); !ok || got != s {
			t.Errorf("%v: %v", s, got)
		}
	}
	for _, bad := range []string{"", "1 2", "1 2 ", "1  3", "1 2 X", "a-b c d"} {
		if s, ok := parseStamp([]byte(bad), ' '); ok {
			t.Errorf("%q: %v", bad, s)
		}
	}
}

// What the generator does for a frame of a usual message.
func BenchmarkScan(b *testing.B) {
	body := make([]byte, 200)
	for i := range body {
		body[i] = 'x'
	}
	data := wire.AppendEntry(nil, &chat.Entry{Key: chat.Key{Conv: "d_abcdefghijklmnopqrstuvwxyz"}, Seq: 17, Kind: chat.KindMessage, From: "bench-abcdefgh-17",
		Time: time.Now(), CMID: "ABCDEFGHIJKLMNOPQRST-1-a-abcdef", Count: 12, Body: []byte(`{"text":"` + string(body) + `"}`)})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var f frame
	for b.Loop() {
		if !f.scan(data) {
			b.Fatal("not read")
		}
	}
}
