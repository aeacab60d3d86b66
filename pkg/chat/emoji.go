package chat

import "unicode"

// The parts of an emoji sequence beside symbols (Unicode Technical Standard 51).
const (
	zwj          = 0x200D
	keycap       = 0x20E3
	presentation = 0xFE0F
)

// ValidEmoji reports whether s is one emoji, of at most [MaxEmojiBytes]: a symbol
// with its modifiers, several of them joined into one, a flag, or a keycap. It knows
// the form of the sequences and not which of them have a picture, so that the emoji
// of next year are emoji, too.
func ValidEmoji(s string) bool {
	if s == "" || len(s) > MaxEmojiBytes {
		return false
	}
	rest := []rune(s)
	for {
		n := emojiElement(rest)
		if n == 0 {
			return false
		}
		rest = rest[n:]
		if len(rest) == 0 {
			return true
		}
		if rest[0] != zwj {
			return false
		}
		rest = rest[1:]
	}
}

// emojiElement is how many runes the element at the beginning of r has; 0: none is there.
func emojiElement(r []rune) int {
	at := func(i int, is func(rune) bool) bool { return i < len(r) && is(r[i]) }
	is := func(want rune) func(rune) bool { return func(c rune) bool { return c == want } }
	switch {
	case at(0, regional):
		if at(1, regional) {
			return 2
		}
		return 0
	case at(0, keycapBase):
		n := 1
		if at(n, is(presentation)) {
			n++
		}
		if at(n, is(keycap)) {
			return n + 1
		}
		return 0
	case !at(0, symbol):
		return 0
	}
	n := 1
	if at(n, is(presentation)) || at(n, skinTone) {
		n++
	}
	if at(n, tag) { // the flag of a region: ended by U+E007F
		for at(n, tag) {
			n++
		}
		if r[n-1] != 0xE007F {
			return 0
		}
	}
	return n
}

func regional(c rune) bool   { return 0x1F1E6 <= c && c <= 0x1F1FF }
func keycapBase(c rune) bool { return '0' <= c && c <= '9' || c == '#' || c == '*' }
func skinTone(c rune) bool   { return 0x1F3FB <= c && c <= 0x1F3FF }
func tag(c rune) bool        { return 0xE0020 <= c && c <= 0xE007F }

// symbol reports whether c may begin an element: the planes that are set aside for
// emoji, and the older ones among the symbols.
func symbol(c rune) bool {
	switch {
	case 0x1F000 <= c && c <= 0x1FAFF:
		return !regional(c)
	case c < 0x2000:
		return c == 0xA9 || c == 0xAE
	case c > 0x3299:
		return false
	case c == 0x203C, c == 0x2049, c == 0x3030: // among the punctuation
		return true
	}
	return unicode.In(c, unicode.So, unicode.Sm)
}
