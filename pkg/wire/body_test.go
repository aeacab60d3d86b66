package wire

import (
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
