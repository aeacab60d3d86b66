package search

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// SnippetRunes is about how long a snippet is.
const SnippetRunes = 160

// Snippet cuts the part of a text that shows the first of some ranges of bytes (as
// [Query.Match] gives them), and says where they are in it, in UTF-16 code units.
// It is plain text on one line: what controls something, line breaks and the
// direction of writing included, is a space or nothing. An ellipsis stands where
// something was cut off.
func Snippet(text string, found []Range) (snippet string, highlights []Range) {
	lo, hi := window(text, found)
	s := snipping{}
	if lo > 0 {
		s.put('…')
	}
	at := 0
	for i, r := range text[lo:hi] {
		i += lo
		for at < len(found) && found[at].End <= i {
			at++
		}
		n := s.units
		s.put(r)
		if at < len(found) && found[at].Start <= i && s.units > n {
			s.light(n)
		}
	}
	if hi < len(text) {
		s.put('…')
	}
	return s.b.String(), s.highlights
}

// snipping is a snippet being made.
type snipping struct {
	b          strings.Builder
	units      int // UTF-16 code units so far
	highlights []Range
}

func (s *snipping) put(r rune) {
	switch {
	case unicode.IsSpace(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
		r = ' '
	case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r):
		return
	}
	s.b.WriteRune(r)
	s.units += utf16.RuneLen(r)
}

// light highlights what was put last, from n units on.
func (s *snipping) light(n int) {
	if k := len(s.highlights); k > 0 && s.highlights[k-1].End == n {
		s.highlights[k-1].End = s.units
		return
	}
	s.highlights = append(s.highlights, Range{n, s.units})
}

// window finds the part of a text to show: a third of the length before the first
// range, and whole words where they are not too long.
func window(text string, found []Range) (lo, hi int) {
	first := 0
	if len(found) > 0 {
		first = found[0].Start
	}
	lo = first
	for n := 0; lo > 0 && n < SnippetRunes/3; n++ {
		_, size := utf8.DecodeLastRuneInString(text[:lo])
		lo -= size
	}
	hi = lo
	for n := 0; hi < len(text) && n < SnippetRunes; n++ {
		_, size := utf8.DecodeRuneInString(text[hi:])
		hi += size
	}
	if lo > 0 {
		if i := strings.IndexByte(text[lo:first], ' '); i >= 0 && i < SnippetRunes/8 {
			lo += i + 1
		}
	}
	return lo, hi
}
