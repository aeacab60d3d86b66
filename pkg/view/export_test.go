package view

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

type exportLine struct {
	Type   string      `json:"type"`
	Conv   chat.ConvID `json:"conv"`
	Seq    chat.Seq    `json:"seq"`
	From   chat.User   `json:"from"`
	User   chat.User   `json:"user"`
	Cursor string      `json:"cursor"`
	Hide   bool        `json:"hide_read"`

	ID          string `json:"id"`
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	URL         string `json:"url"`
}

// exportAll reads all parts, and counts them. Every other part it loses, and asks for
// again.
func exportAll(t *testing.T, s ExportStore, user chat.User) (lines []exportLine, parts int) {
	t.Helper()
	ended := false
	for cursor, more := "", true; more; parts++ {
		more = false
		part, err := Export(t.Context(), s, chat.Limits{}, chat.DefaultNS, user, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if parts%2 == 0 {
			again, err := Export(t.Context(), s, chat.Limits{}, chat.DefaultNS, user, cursor)
			if err != nil || !bytes.Equal(again, part) {
				t.Fatalf("part %d is another one when it is asked for again: %v", parts, err)
			}
		}
		if most := exportBytes + chat.MaxBody + 10<<10; len(part) > most {
			t.Fatalf("a part of %d bytes, at most %d are promised", len(part), most)
		}
		for line := range bytes.Lines(part) {
			var l exportLine
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if more || ended {
				t.Fatalf("a line after the last: %s", line)
			}
			if ended = l.Type == "end"; ended {
				continue
			}
			if l.Type == "next" {
				cursor, more = l.Cursor, true
				continue
			}
			lines = append(lines, l)
		}
	}
	if !ended {
		t.Fatal("the last part does not say that it is the last")
	}
	return lines, parts
}

// Everything that the user wrote is there once, whatever the parts, and nobody
// else's words.
func TestExport(t *testing.T) {
	s := memstore.New(memstore.Options{})
	ctx := t.Context()
	if _, err := s.PutProfile(ctx, chat.DefaultNS, "bob", chat.Profile{Version: 1, HideRead: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBlock(ctx, chat.DefaultNS, chat.Block{User: "bob", Peer: "eve", Version: 1, On: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.TouchDevice(ctx, chat.DefaultNS, "bob", store.DeviceInfo{Device: "phone", Seen: epoch}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 4 {
		w := newWorld(t, s).group(chat.CMID(fmt.Sprint("g", i)), "alice", "bob")
		for n := range 2500 { // more than one part in all
			if n%3 == 0 {
				want = append(want, fmt.Sprint(w.key.Conv, w.say("bob", "mine")))
			} else {
				w.say("alice", "not bob's")
			}
		}
		if i == 0 {
			w.change(chat.ChangeRemoved, "bob")
			w.say("alice", "after")
		}
	}
	large := newWorld(t, s).direct("bob", "carol")
	for range 60 {
		want = append(want, fmt.Sprint(large.key.Conv, large.say("bob", strings.Repeat("x", 30<<10))))
	}
	quiet := newWorld(t, s).direct("bob", "zoe")
	quiet.say("zoe", "not bob's")
	file := wire.Attachment{ID: "a_gjpk4j7b36ucspkzkwvp6hgvxu", Name: "tea.png", Type: "image/png", Size: 5, W: 2, H: 1}
	withFiles := func(from chat.User) string {
		seq := quiet.put(chat.Entry{Kind: chat.KindMessage, From: from, Body: wire.Encode(wire.Body{Text: "look", Attachments: []wire.Attachment{file, file}})})
		return fmt.Sprint(quiet.key.Conv, seq)
	}
	withFiles("zoe")
	carrier := withFiles("bob")
	want = append(want, carrier)
	for i := range 2*exportConvs - 3 { // more than are read at a time
		newWorld(t, s).direct("bob", chat.User(fmt.Sprint("u", i)))
	}

	lines, parts := exportAll(t, s, "bob")
	if parts < 3 {
		t.Errorf("%d parts", parts)
	}
	if l := lines[0]; l.Type != "profile" || l.User != "bob" || !l.Hide || lines[1].Type != "block" || lines[1].User != "eve" || lines[2].Type != "device" {
		t.Errorf("it begins with %+v", lines[:3])
	}
	var got []string
	var convs []chat.ConvID
	files := 0
	for _, l := range lines[3:] {
		switch l.Type {
		case "membership":
			convs = append(convs, l.Conv)
		case "message":
			if l.From != "bob" || l.Conv != convs[len(convs)-1] {
				t.Fatalf("%+v in %s", l, convs[len(convs)-1])
			}
			got = append(got, fmt.Sprint(l.Conv, l.Seq))
		case "attachment":
			if at := fmt.Sprint(l.Conv, l.Seq); at != carrier || l.ID != file.ID || l.Name != file.Name || l.ContentType != file.Type ||
				l.Size != 5 || l.URL != "/v1/attachments/"+file.ID {
				t.Fatalf("%+v", l)
			}
			files++
		default:
			t.Fatalf("%+v", l)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	if files != 2 {
		t.Errorf("%d files, want 2", files)
	}
	if len(convs) != 6+2*exportConvs-3 || !slices.Contains(convs, quiet.key.Conv) {
		t.Errorf("%d conversations", len(convs))
	}
	if lines, parts := exportAll(t, s, "nobody"); len(lines) != 1 || parts != 1 {
		t.Errorf("of nobody: %d lines in %d parts", len(lines), parts)
	}
	for _, cursor := range []string{"!", "eA", "LTIgZ19h", "MSBub3doZXJl"} {
		if _, err := Export(ctx, s, chat.Limits{}, chat.DefaultNS, "bob", cursor); codeOf(err) != chat.CodeBadRequest {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}
