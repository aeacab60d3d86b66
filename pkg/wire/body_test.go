package wire

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

// Data is kept whatever JSON it is, and null is none. A body is never stored as
// nothing: entries without one say that it was taken away.
func TestBodyKeepsData(t *testing.T) {
	for in, want := range map[string]string{
		`{"data":{}}`:                       `{"data":{}}`,
		`{"data":[]}`:                       `{"data":[]}`,
		`{"data":""}`:                       `{"data":""}`,
		`{"data":0}`:                        `{"data":0}`,
		`{"data":false}`:                    `{"data":false}`,
		`{"data": { } , "text":"x"}`:        `{"text":"x","data":{}}`,
		`{"data":[null]}`:                   `{"data":[null]}`,
		`{"data":null,"text":"x"}`:          `{"text":"x"}`,
		`{"text":"x","attachments":null}`:   `{"text":"x"}`,
		`{"data":null}`:                     "",
		`{"data":null,"text":null}`:         "",
		`{"text":"","attachments":[]}`:      "",
		`{"attachments":null,"data": null}`: "",
	} {
		out, err := ParseBody([]byte(in), chat.Limits{}.WithDefaults())
		if string(out) != want || (err == nil) != (want != "") || err != nil && err.Code != chat.CodeBadRequest {
			t.Errorf("%s: %s, %v; want %s", in, out, err, want)
		}
		if err != nil {
			continue
		}
		again, err := WithAttachments(out, nil)
		if string(again) != want || err != nil {
			t.Errorf("%s, without attachments: %s, %v", in, again, err)
		}
	}
}

// How a client writes a text must not decide whether it is too long: many encoders
// escape all that is not ASCII, which makes six bytes of two.
func TestBodyIsMeasuredAsStored(t *testing.T) {
	lim := chat.Limits{}.WithDefaults()
	const escaped = `\u00e9` // two bytes
	for _, c := range []struct {
		name, body string
		size       int // of what is stored; 0: too large
	}{
		{"text", `{"text":"` + strings.Repeat(escaped, lim.Text/2) + `"}`, lim.Text + len(`{"text":""}`)},
		{"long text", `{"text":"` + strings.Repeat(escaped, lim.Text/2+1) + `"}`, 0},
		{"blanks", `{"text":"x"` + strings.Repeat(" ", chat.MaxBody) + `}`, len(`{"text":"x"}`)},
		{"data", `{"data":"` + strings.Repeat(escaped, chat.MaxData/2-1) + `"}`, chat.MaxData + len(`{"data":}`)},
		{"long data", `{"data":"` + strings.Repeat(escaped, chat.MaxData/2) + `"}`, 0},
		{"blanks in data", `{"data":[1,` + strings.Repeat(" ", chat.MaxData) + `2]}`, len(`{"data":[1,2]}`)},
	} {
		body, cerr := ParseBody([]byte(c.body), lim)
		if c.size == 0 {
			if cerr == nil || cerr.Code != chat.CodeTooLarge {
				t.Errorf("%s: %d bytes, %v", c.name, len(body), cerr)
			}
			continue
		}
		if cerr != nil || len(body) != c.size {
			t.Errorf("%s: %d bytes, want %d; %v", c.name, len(body), c.size, cerr)
		}
	}
}

// A ref is measured in characters, as its schema says: maxLength counts them so.
func TestRefIsMeasuredInCharacters(t *testing.T) {
	lim := chat.Limits{}.WithDefaults()
	for _, c := range []string{"x", "é", "中", "😀"} {
		most := strings.Repeat(c, chat.MaxRef)
		if _, ref, cerr := Decode([]byte(`{"type":"ping","ref":"`+most+`"}`), lim); cerr != nil || ref != most {
			t.Errorf("%d × %s: %v", chat.MaxRef, c, cerr)
		}
		if _, _, cerr := Decode([]byte(`{"type":"ping","ref":"`+most+c+`"}`), lim); cerr == nil || cerr.Code != chat.CodeBadRequest {
			t.Errorf("one %s more: %v", c, cerr)
		}
	}
}
