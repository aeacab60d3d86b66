package search

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
)

// FuzzQuery: any text is a question or a bad request; what it finds in any other text
// lies inside of it, and so do the highlights of the snippet.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"plan", `"in a row" x`, "北京 plan", `{"$gt":""}`, `"`, "“", strings.Repeat("a ", 40), "\x00", "é\u0301", "👍🏽"} {
		f.Add(s, "The plan for 北京: in a row, {\"$gt\":\"\"} 👍🏽")
	}
	f.Fuzz(func(t *testing.T, question, text string) {
		q, err := ParseQuery(question)
		if err != nil {
			var e *chat.Error
			if !errors.As(err, &e) || e.Code != chat.CodeBadRequest {
				t.Fatalf("%q: %v", question, err)
			}
			return
		}
		if n := len(q.Terms()); n == 0 || n >= MostTerms {
			t.Fatalf("%q has %d terms", question, n)
		}
		if !utf8.ValidString(text) {
			return
		}
		found, ok := q.Match(text)
		if !ok {
			return
		}
		for _, r := range found {
			if r.Start < 0 || r.Start >= r.End || r.End > len(text) {
				t.Fatalf("%q in %q: %v", question, text, r)
			}
		}
		snippet, highlights := Snippet(text, found)
		n := len(utf16.Encode([]rune(snippet)))
		for _, r := range highlights {
			if r.Start < 0 || r.Start >= r.End || r.End > n {
				t.Fatalf("%q in %q: highlight %v of %q", question, text, r, snippet)
			}
		}
	})
}
