package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// fold brings a word into the form in which words are compared: compatible
// characters are one (full width is half width), case does not count, nor do the
// marks over letters of alphabets in which people leave them out.
func fold(s string) string {
	if t, ok := foldSimple(s); ok {
		return t
	}
	s = cases.Fold().String(norm.NFKC.String(s))
	return norm.NFC.String(strip(norm.NFD.String(s)))
}

// foldSimple folds what needs no tables: ASCII, and a single common Chinese
// character, which together are most of what is written.
func foldSimple(s string) (string, bool) {
	if len(s) == 3 {
		if r, n := utf8.DecodeRuneInString(s); n == 3 && 0x4e00 <= r && r <= 0x9fff {
			return s, true
		}
	}
	upper, quoted := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return "", false
		case 'A' <= c && c <= 'Z':
			upper = true
		case c == '\'':
			quoted = true
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	if quoted {
		s = strings.ReplaceAll(s, "'", "")
	}
	return s, true
}

// strip drops marks over letters of alphabets, apostrophes, and what cannot be
// seen: joiners, variation selectors, the colours of emoji.
func strip(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	alphabet := false
	for _, r := range s {
		switch {
		case apostrophe(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || 0x1f3fb <= r && r <= 0x1f3ff:
		case unicode.Is(unicode.Mn, r):
			if !alphabet {
				b.WriteRune(r)
			}
		default:
			alphabet = unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic)
			b.WriteRune(r)
		}
	}
	return b.String()
}
