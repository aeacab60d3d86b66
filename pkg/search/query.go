package search

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
)

// Bounds of a question.
const (
	MaxQuery   = 512 // bytes
	MaxPhrases = 16  // words, runs of characters, and quoted phrases
)

// Query is a question: words, of which a message must have all. What is in double
// quotes must stand in a row, and so must characters of a script without spaces.
type Query struct{ phrases []phrase }

// phrase is tokens that follow on one another.
type phrase []token

// ParseQuery reads a question. Its error is a [*chat.Error]: it is too long, or
// has nothing to look for.
func ParseQuery(text string) (Query, error) {
	if len(text) > MaxQuery {
		return Query{}, chat.Errorf(chat.CodeBadRequest, `"q" has more than %d bytes`, MaxQuery)
	}
	if !utf8.ValidString(text) {
		return Query{}, chat.Errorf(chat.CodeBadRequest, `"q" is not UTF-8`)
	}
	var q Query
	for rest := text; rest != ""; {
		plain, quoted, _ := cutQuote(rest)
		q.phrases = append(q.phrases, phrasesOf(analyze(plain))...)
		quoted, rest, _ = cutQuote(quoted)
		if p := phrase(analyze(quoted)); len(p) > 0 {
			q.phrases = append(q.phrases, p)
		}
	}
	switch n := len(q.phrases); {
	case n == 0:
		return Query{}, chat.Errorf(chat.CodeBadRequest, `"q" has no word to look for`)
	case n > MaxPhrases:
		return Query{}, chat.Errorf(chat.CodeBadRequest, `"q" has more than %d words`, MaxPhrases)
	}
	return q, nil
}

// cutQuote cuts a text at its first double quote of any kind.
func cutQuote(s string) (before, after string, found bool) {
	for i, r := range s {
		if strings.ContainsRune(`"“”„`, r) {
			return s[:i], s[i+len(string(r)):], true
		}
	}
	return s, "", false
}

// phrasesOf groups what belongs together without quotes: parts of one word, and
// characters side by side.
func phrasesOf(tokens []token) []phrase {
	var list []phrase
	for i, t := range tokens {
		if i > 0 && (t.part || tokens[i-1].touches(t)) {
			list[len(list)-1] = append(list[len(list)-1], t)
			continue
		}
		list = append(list, phrase{t})
	}
	return list
}

// Terms are terms that every match has, at most [MostTerms] of them, the longest
// first: those are rarest, as a rule. There may be more that a match has.
func (q Query) Terms() []string {
	var terms []string
	for _, p := range q.phrases {
		terms = append(terms, p.terms()...)
	}
	slices.SortStableFunc(terms, func(a, b string) int { return len(b) - len(a) })
	seen := make(map[string]bool, len(terms))
	terms = slices.DeleteFunc(terms, func(t string) bool {
		twice := seen[t]
		seen[t] = true
		return twice
	})
	return terms[:min(len(terms), MostTerms-1)] // one is left for the sender
}

// terms of a phrase: words as they are, and as many pairs of each run of characters
// as it takes to have every character in one. Match looks at the order.
func (p phrase) terms() []string {
	var terms []string
	for i := 0; i < len(p); {
		n := 1
		for i+n < len(p) && p[i+n-1].touches(p[i+n]) {
			n++
		}
		if n == 1 {
			terms = append(terms, p[i].term)
		}
		for j := 0; j+1 < n; j += 2 {
			terms = append(terms, p[i+j].term+p[i+j+1].term)
		}
		if n > 1 && n%2 == 1 {
			terms = append(terms, p[i+n-2].term+p[i+n-1].term)
		}
		i += n
	}
	return terms
}

// Match reports whether a text has everything that is asked for, and where: ranges
// of bytes, ascending and apart from one another.
func (q Query) Match(text string) (found []Range, ok bool) {
	tokens := analyze(text)
	for _, p := range q.phrases {
		n := len(found)
		for i := range tokens {
			if p.at(tokens[i:]) {
				found = append(found, Range{tokens[i].start, tokens[i+len(p)-1].end})
			}
		}
		if len(found) == n {
			return nil, false
		}
	}
	return merge(found), true
}

// at reports whether tokens begin with the phrase.
func (p phrase) at(tokens []token) bool {
	if len(tokens) < len(p) {
		return false
	}
	for i, t := range p {
		if tokens[i].term != t.term || i > 0 && p[i-1].touches(t) && !tokens[i-1].touches(tokens[i]) {
			return false
		}
	}
	return true
}

// Range is a part of a text: from Start up to, and not including, End.
type Range struct{ Start, End int }

// merge sorts ranges, and joins those that overlap or touch.
func merge(list []Range) []Range {
	slices.SortFunc(list, func(a, b Range) int { return a.Start - b.Start })
	out := list[:0]
	for _, r := range list {
		if n := len(out); n > 0 && r.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Weight says how well a hit fits, for the order "best": often, in a short text.
// It is the BM25 of a text of 20 tokens on average, in thousandths; how rare the
// terms are does not matter, since every hit has all of them.
func Weight(h Hit) int64 {
	const k, b, average = 1.2, 0.5, 20.0
	norm := k * (1 - b + b*float64(h.Len)/average)
	sum := 0.0
	for _, n := range h.Counts {
		sum += float64(n) * (k + 1) / (float64(n) + norm)
	}
	return int64(sum * 1000)
}
