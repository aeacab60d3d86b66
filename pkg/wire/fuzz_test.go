package wire_test

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/pkg/wire/hostile"
)

// FuzzDecode: whatever a client sends, it is refused with a code that names the
// client's mistake, or every id in it has its form and every text is UTF-8.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/client/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	for _, text := range hostile.Texts {
		f.Add([]byte(`{"type":"send","to":` + hostile.Quoted(text) + `,"cmid":"c","body":{"text":"x","data":{"$gt":""}}}`))
	}
	lim := chat.Limits{}.WithDefaults()
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, ref, cerr := wire.Decode(data, lim)
		if n := utf8.RuneCountInString(ref); n > chat.MaxRef {
			t.Fatalf("a ref of %d characters", n)
		}
		if cerr != nil {
			switch cerr.Code {
			case chat.CodeBadFrame, chat.CodeBadRequest, chat.CodeTooLarge:
			default:
				t.Fatalf("%q: %v", data, cerr)
			}
			if !utf8.ValidString(cerr.Message) {
				t.Fatalf("%q: the message %q is not UTF-8", data, cerr.Message)
			}
			return
		}
		checkFrame(t, frame, lim)
	})
}

func checkFrame(t *testing.T, frame wire.Frame, lim chat.Limits) {
	t.Helper()
	conv := func(c chat.ConvID) {
		if !c.Valid() {
			t.Fatalf("conversation %q in %+v", c, frame)
		}
	}
	target := func(c chat.ConvID, u chat.User) {
		if (c == "") == (u == "") || c != "" && !c.Valid() || u != "" && !u.Valid() {
			t.Fatalf("to %q, conversation %q", u, c)
		}
	}
	cmid := func(id chat.CMID) {
		if !id.Valid() {
			t.Fatalf("cmid %q", id)
		}
	}
	body := func(b jsontext.Value) {
		if !b.IsValid() || b.Kind() != '{' || len(b) > chat.MaxBody || !utf8.Valid(b) {
			t.Fatalf("body %q", b)
		}
	}
	switch f := frame.(type) {
	case *wire.Hello:
		if !f.Device.Valid() {
			t.Fatalf("device %q", f.Device)
		}
		if f.Resume != nil {
			for c, seq := range f.Resume.Cursors {
				conv(c)
				if seq < 0 || seq > chat.MaxSeq {
					t.Fatalf("cursor %d", seq)
				}
			}
		}
	case *wire.Send:
		target(f.Conv, f.To)
		cmid(f.CMID)
		body(f.Body)
		for _, u := range f.Mentions {
			if !u.Valid() && u != chat.MentionAll {
				t.Fatalf("mention %q", u)
			}
		}
	case *wire.Edit:
		conv(f.Conv)
		cmid(f.CMID)
		body(f.Body)
	case *wire.Recall:
		conv(f.Conv)
		cmid(f.CMID)
	case *wire.React:
		conv(f.Conv)
		cmid(f.CMID)
		if len(f.Emoji) == 0 || len(f.Emoji) > chat.MaxEmojiBytes {
			t.Fatalf("emoji %q", f.Emoji)
		}
	case *wire.Recv:
		conv(f.Conv)
	case *wire.Read:
		conv(f.Conv)
	case *wire.History:
		conv(f.Conv)
		if f.Limit != nil && (*f.Limit < 1 || *f.Limit > lim.Page) {
			t.Fatalf("limit %d", *f.Limit)
		}
	case *wire.Watch:
		for _, u := range f.Users {
			if !u.Valid() {
				t.Fatalf("watched %q", u)
			}
		}
	}
}
