package wire

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What a search answers is in testdata, for readers in other languages.
func TestSearchGolden(t *testing.T) {
	at := func(s int) Time { return Time{time.Date(2026, 1, 2, 3, 4, s, 6e6, time.UTC)} }
	list := SearchList{Exact: true, Next: "bmV4dA", Items: []SearchHit{
		{Conv: "g_abcdefghijklmnopqrstuvwxyz", Seq: 17, ID: "g_abcdefghijklmnopqrstuvwxyz-17", From: "alice@x.org", Time: at(5),
			Snippet: Snippet{Text: "…😀 <b>你好世界</b> & more…", Highlights: [][2]int{{9, 11}}}},
		{Conv: "d_abcdefghijklmnopqrstuvwxyz", Seq: 3, ID: "d_abcdefghijklmnopqrstuvwxyz-3", From: "bob", Time: at(4),
			Edited: &EditedFold{Seq: 9, Time: at(8)}, Snippet: Snippet{Text: "hello, world", Highlights: [][2]int{{0, 5}, {7, 12}}}},
	}}
	golden, err := os.ReadFile("testdata/search.json")
	if err != nil {
		t.Fatal(err)
	}
	got := jsontext.Value(Encode(list))
	if err := got.Indent(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(golden), got) {
		t.Errorf("got\n%s\nwant\n%s", got, golden)
	}
	var back SearchList
	if err := json.Unmarshal(golden, &back, json.RejectUnknownMembers(true)); err != nil || !bytes.Equal(Encode(back), Encode(list)) {
		t.Errorf("read back: %+v, %v", back, err)
	}
}
