package search

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

// TextOf is what of a body is searched: its text, and the names of attachments,
// each on a line of its own. It is "" for what is no body.
func TextOf(body []byte) string {
	var b struct {
		Text        string `json:"text"`
		Attachments []struct {
			Name string `json:"name"`
		} `json:"attachments"`
	}
	if len(body) == 0 || json.Unmarshal(body, &b) != nil {
		return ""
	}
	if len(b.Attachments) == 0 {
		return b.Text
	}
	var lines []string
	if b.Text != "" {
		lines = append(lines, b.Text)
	}
	for _, a := range b.Attachments {
		if a.Name != "" {
			lines = append(lines, a.Name)
		}
	}
	return strings.Join(lines, "\n")
}

// fromMark begins the term that tells a message's sender. No token begins with it.
const fromMark = "@"

// FromTerm is the term that every message of a user has, and no text.
func FromTerm(user chat.User) string { return fromMark + string(user) }

// NewDoc is the document of a message whose present text is in body, as of the
// entry rev.
func NewDoc(key chat.Key, seq, rev chat.Seq, from chat.User, at time.Time, body []byte) Doc {
	d := Doc{Key: key, Seq: seq, Rev: rev, Time: at}
	d.Terms, d.Len = Terms(TextOf(body))
	if len(d.Terms) > 0 { // without a text there is nothing to find by its sender
		d.Terms = append(d.Terms, Term{Text: FromTerm(from), N: 1})
		slices.SortFunc(d.Terms, compareTerms)
	}
	return d
}

// GoneDoc takes a message out of the index for good: it was recalled or erased.
func GoneDoc(key chat.Key, seq chat.Seq) Doc { return Doc{Key: key, Seq: seq, Gone: true} }

func sortedTerms(counts map[string]int) []Term {
	terms := make([]Term, 0, len(counts))
	for _, t := range slices.Sorted(maps.Keys(counts)) {
		terms = append(terms, Term{t, counts[t]})
	}
	return terms
}

func compareTerms(a, b Term) int { return strings.Compare(a.Text, b.Text) }
