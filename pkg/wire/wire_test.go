package wire

import (
	"bytes"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

func sampleEntry() chat.Entry {
	return chat.Entry{
		Key: chat.Key{NS: "_", Conv: "d_abcdefghijklmnopqrstuvwxyz"}, Seq: 17, Kind: chat.KindMessage, From: "alice@x.org",
		CMID: "c-1", Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Count: 12, Via: `bill "the" bot`,
		Body: []byte(`{"text":"h<i> é"}`), ReplyTo: 3, Mentions: []chat.User{"bob", "c.d"},
	}
}

// The hand-written encoders must write what the structs write.
func TestAppendEntryMatchesStruct(t *testing.T) {
	full, plain, gone := sampleEntry(), sampleEntry(), sampleEntry()
	plain.Via, plain.ReplyTo, plain.Mentions = "", 0, nil
	gone.Body, gone.Gone = nil, true
	reacted := chat.Entry{Key: full.Key, Kind: chat.KindReacted, Target: 2, Emoji: "👍", From: "bob", CMID: "x"}
	for _, e := range []chat.Entry{full, plain, gone, reacted} {
		got, want := AppendEntry(nil, &e), Encode(NewEntry(&e))
		if !bytes.Equal(got, want) {
			t.Errorf("AppendEntry:\n got %s\nwant %s", got, want)
		}
	}
}

func TestAppendAckMatchesStruct(t *testing.T) {
	e := sampleEntry()
	for _, ref := range []string{"", `r"1`} {
		for _, dup := range []bool{false, true} {
			got, want := AppendAck(nil, ref, &e, dup), Encode(NewAck(ref, &e, dup))
			if !bytes.Equal(got, want) {
				t.Errorf("AppendAck:\n got %s\nwant %s", got, want)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	lim := chat.Limits{}.WithDefaults()
	const conv = `"conv":"g_abcdefghijklmnopqrstuvwxyz"`
	cases := []struct {
		name, frame string
		code        chat.Code
	}{
		{"empty", ``, chat.CodeBadFrame},
		{"not json", `hello`, chat.CodeBadFrame},
		{"array", `[]`, chat.CodeBadFrame},
		{"two objects", `{"type":"ping"}{}`, chat.CodeBadFrame},
		{"no type", `{"ref":"x"}`, chat.CodeBadFrame},
		{"type no string", `{"type":1}`, chat.CodeBadFrame},
		{"unknown type", `{"type":"nope"}`, chat.CodeBadFrame},
		{"duplicate key", `{"type":"ping","ref":"a","ref":"b"}`, chat.CodeBadFrame},
		{"duplicate deep key", `{"type":"send","to":"bob","cmid":"c","body":{"data":{"a":1,"a":2}}}`, chat.CodeBadFrame},
		{"invalid utf-8", "{\"type\":\"send\",\"to\":\"bob\",\"cmid\":\"c\",\"body\":{\"text\":\"\xff\"}}", chat.CodeBadFrame},
		{"nesting bomb", `{"type":"ping","x":` + string(bytes.Repeat([]byte("["), 20000)), chat.CodeBadFrame},
		{"ref too long", `{"type":"ping","ref":"` + string(bytes.Repeat([]byte("r"), 65)) + `"}`, chat.CodeBadRequest},
		{"ref no string", `{"type":"ping","ref":{}}`, chat.CodeBadRequest},
		{"unknown field", `{"type":"ping","$where":"1"}`, chat.CodeBadRequest},
		{"case differs", `{"type":"ping","Ref":"x"}`, chat.CodeBadRequest},
		{"send to object", `{"type":"send","to":{"$ne":""},"cmid":"c","body":{"text":"x"}}`, chat.CodeBadRequest},
		{"send both", `{"type":"send","to":"bob",` + conv + `,"cmid":"c","body":{"text":"x"}}`, chat.CodeBadRequest},
		{"send neither", `{"type":"send","cmid":"c","body":{"text":"x"}}`, chat.CodeBadRequest},
		{"send no cmid", `{"type":"send","to":"bob","body":{"text":"x"}}`, chat.CodeBadRequest},
		{"send server cmid", `{"type":"send","to":"bob","cmid":"!add:x","body":{"text":"x"}}`, chat.CodeBadRequest},
		{"send no body", `{"type":"send","to":"bob","cmid":"c"}`, chat.CodeBadRequest},
		{"send empty body", `{"type":"send","to":"bob","cmid":"c","body":{}}`, chat.CodeBadRequest},
		{"send body text", `{"type":"send","to":"bob","cmid":"c","body":"x"}`, chat.CodeBadRequest},
		{"send body operator", `{"type":"send","to":"bob","cmid":"c","body":{"$set":1}}`, chat.CodeBadRequest},
		{"send long text", `{"type":"send","to":"bob","cmid":"c","body":{"text":"` + string(bytes.Repeat([]byte("x"), 17<<10)) + `"}}`, chat.CodeTooLarge},
		{"send deep data", `{"type":"send","to":"bob","cmid":"c","body":{"data":` + string(bytes.Repeat([]byte("["), 40)) + string(bytes.Repeat([]byte("]"), 40)) + `}}`, chat.CodeBadRequest},
		{"send reserved thread", `{"type":"send","to":"bob","cmid":"c","body":{"text":"x"},"thread":1}`, chat.CodeBadRequest},
		{"send mentions all and one", `{"type":"send","to":"bob","cmid":"c","body":{"text":"x"},"mentions":["*","bob"]}`, chat.CodeBadRequest},
		{"react with a word", `{"type":"react",` + conv + `,"target":1,"cmid":"c","emoji":"ok","on":true}`, chat.CodeBadRequest},
		{"react with two", `{"type":"react",` + conv + `,"target":1,"cmid":"c","emoji":"👍👍","on":true}`, chat.CodeBadRequest},
		{"react with nothing", `{"type":"react",` + conv + `,"target":1,"cmid":"c","on":true}`, chat.CodeBadRequest},
		{"react to nothing", `{"type":"react",` + conv + `,"target":0,"cmid":"c","emoji":"👍","on":true}`, chat.CodeBadRequest},
		{"edit without body", `{"type":"edit",` + conv + `,"target":1,"cmid":"c"}`, chat.CodeBadRequest},
		{"recall without target", `{"type":"recall",` + conv + `,"cmid":"c"}`, chat.CodeBadRequest},
		{"recv no seq", `{"type":"recv",` + conv + `}`, chat.CodeBadRequest},
		{"recv text seq", `{"type":"recv",` + conv + `,"seq":"1"}`, chat.CodeBadRequest},
		{"recv fraction", `{"type":"recv",` + conv + `,"seq":1.5}`, chat.CodeBadRequest},
		{"recv negative", `{"type":"recv",` + conv + `,"seq":-1}`, chat.CodeBadRequest},
		{"recv huge", `{"type":"recv",` + conv + `,"seq":9007199254740992}`, chat.CodeBadRequest},
		{"recv null", `{"type":"recv",` + conv + `,"seq":null}`, chat.CodeBadRequest},
		{"read bad conv", `{"type":"read","conv":"g_..","seq":1}`, chat.CodeBadRequest},
		{"history none", `{"type":"history",` + conv + `}`, chat.CodeBadRequest},
		{"history two", `{"type":"history",` + conv + `,"before":3,"after":1}`, chat.CodeBadRequest},
		{"history limit", `{"type":"history",` + conv + `,"before":3,"limit":201}`, chat.CodeBadRequest},
		{"hello device", `{"type":"hello","device":"a b"}`, chat.CodeBadRequest},
		{"hello cursor", `{"type":"hello","resume":{"epoch":"e","cursors":{"x":1}}}`, chat.CodeBadRequest},
		{"hello token", `{"type":"hello","token":5}`, chat.CodeBadRequest},
		{"watch nothing", `{"type":"watch"}`, chat.CodeBadRequest},
		{"watch null", `{"type":"watch","users":null}`, chat.CodeBadRequest},
		{"unwatch nothing", `{"type":"unwatch"}`, chat.CodeBadRequest},
		{"auth none", `{"type":"auth"}`, chat.CodeBadRequest},
	}
	for _, c := range cases {
		if _, _, err := Decode([]byte(c.frame), lim); err == nil || err.Code != c.code {
			t.Errorf("%s: got %v, want %s", c.name, err, c.code)
		}
	}
}

func TestDecodeKeepsRefOfBadFrame(t *testing.T) {
	_, ref, err := Decode([]byte(`{"type":"recv","ref":"r1"}`), chat.Limits{}.WithDefaults())
	if err == nil || ref != "r1" {
		t.Fatalf("ref %q, err %v", ref, err)
	}
}

func TestHelloIgnoresUnknownFields(t *testing.T) {
	f, _, err := Decode([]byte(`{"type":"hello","device":"d1","future":{"x":1}}`), chat.Limits{}.WithDefaults())
	if err != nil || f.(*Hello).Device != "d1" {
		t.Fatal(f, err)
	}
}

func TestBodyIsCanonical(t *testing.T) {
	a, _ := ParseBody([]byte(`{ "data" : {"b": 1, "a": [ 2 ]}, "text":"x" }`), chat.Limits{}.WithDefaults())
	b, _ := ParseBody([]byte(`{"text":"x","data":{"b":1,"a":[2]}}`), chat.Limits{}.WithDefaults())
	if string(a) != string(b) || string(a) != `{"text":"x","data":{"b":1,"a":[2]}}` {
		t.Fatalf("%s and %s", a, b)
	}
}

func TestTimesHaveMilliseconds(t *testing.T) {
	for ns, want := range map[int]string{0: ".000Z", 5e8: ".500Z", 123456789: ".123Z"} {
		at := Time{time.Date(2026, 1, 2, 3, 4, 5, ns, time.FixedZone("", 3600))}
		if got := string(Encode(at)); got != `"2026-01-02T02:04:05`+want+`"` {
			t.Error(got)
		}
	}
}
