package search

import (
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"
)

// maxTerm is the longest term in bytes. Of a longer word the beginning counts.
const maxTerm = 64

// token is a word of a text, or one character of a script that writes words
// without spaces between them.
type token struct {
	term       string
	start, end int  // bytes of the text
	dense      bool // a character: see dense
	part       bool // one word with the token before it, such as "com" of "example.com"
}

// touches reports whether t and next are characters side by side.
func (t token) touches(next token) bool { return t.dense && next.dense && t.end == next.start }

// analyze cuts a text into tokens: at the word boundaries of Unicode (UAX #29),
// and further at whatever is no letter, digit or mark. Scripts without spaces
// between words become single characters. An emoji is a word. What is not UTF-8 has
// no tokens.
func analyze(text string) []token {
	if !utf8.ValidString(text) {
		return nil
	}
	a := analyzer{text: text}
	for it := words.FromString(text); it.Next(); {
		a.segment(it.Start(), it.End())
	}
	return a.tokens
}

// analyzer collects tokens. Open is where the token begins that is being read;
// -1: none is.
type analyzer struct {
	text   string
	tokens []token
	first  int // index of the segment's first token
	open   int
	dense  bool // the open token is a character
}

func (a *analyzer) segment(start, end int) {
	a.first, a.open = len(a.tokens), -1
	r, _ := utf8.DecodeRuneInString(a.text[start:])
	if unicode.Is(unicode.So, r) {
		a.open, a.dense = start, false
		a.shut(end)
		return
	}
	for i, r := range a.text[start:end] {
		i += start
		switch {
		case dense(r):
			a.shut(i)
			a.open, a.dense = i, true
		case unicode.Is(unicode.M, r) || attached(r):
			if a.open < 0 {
				a.open, a.dense = i, false
			}
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if a.dense {
				a.shut(i)
			}
			if a.open < 0 {
				a.open, a.dense = i, false
			}
		case apostrophe(r) || unicode.Is(unicode.Cf, r):
			// It parts nothing, and is no part of the term.
		default:
			a.shut(i)
		}
	}
	a.shut(end)
}

// shut ends the open token.
func (a *analyzer) shut(end int) {
	if a.open < 0 {
		return
	}
	t := token{start: a.open, end: end, dense: a.dense}
	a.open, a.dense = -1, false
	if t.term = cutTerm(fold(a.text[t.start:t.end])); t.term == "" {
		return
	}
	t.part = len(a.tokens) > a.first && !t.dense && !a.tokens[len(a.tokens)-1].dense
	a.tokens = append(a.tokens, t)
}

func cutTerm(s string) string {
	if len(s) <= maxTerm {
		return s
	}
	n := maxTerm
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// dense reports whether r belongs to a script whose words have no spaces between
// them, or to Korean, whose words have so many endings that characters find more.
func dense(r rune) bool {
	switch {
	case r < 0x0e00:
		return false
	case 0x4e00 <= r && r <= 0x9fff:
		return true
	case r == 'ー' || r == 'ｰ': // of no script of its own, but Japanese
		return true
	}
	return !unicode.Is(unicode.M, r) && (unicode.IsLetter(r) || unicode.IsNumber(r)) &&
		unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
			unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// attached reports whether r belongs to the character before it without being a
// mark by category: the voicing marks of half-width Katakana.
func attached(r rune) bool { return r == 0xff9e || r == 0xff9f }

func apostrophe(r rune) bool { return r == '\'' || r == '’' || r == '＇' }

// Terms are the terms of a text, by text, and how many tokens it has: each token,
// and each pair of characters side by side.
func Terms(text string) (terms []Term, tokens int) {
	list := analyze(text)
	counts := make(map[string]int, len(list))
	for i, t := range list {
		counts[t.term]++
		if i > 0 && list[i-1].touches(t) {
			counts[list[i-1].term+t.term]++
		}
	}
	return sortedTerms(counts), len(list)
}
