package chat

import (
	"strings"
	"testing"
)

func TestValidEmoji(t *testing.T) {
	for _, s := range []string{
		"👍", "👍🏽", "❤", "❤️", "😀", "🇩🇪", "1️⃣", "#⃣", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👩🏽‍🚀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "©️", "™", "↔️", "▶️",
		"⭐", "㊗️", "‼️", "〰️", "🫠", "🧑🏻‍❤️‍💋‍🧑🏿", "❤️‍🔥",
	} {
		if !ValidEmoji(s) {
			t.Errorf("%q (%+q) is none", s, s)
		}
	}
	for _, s := range []string{
		"", "a", "ok", "1", "#", "👍👍", "👍 ", " 👍", "👍a", "🇩", "🇩🇪🇫", "\u200d", "👍\u200d", "\ufe0f", "é", "語", ":+1:", "\x00",
		"<b>", "👍\n", "\xff", "🏴󠁧", "\u202e", strings.Repeat("👩‍", 16) + "👩", "$set", "∑x",
	} {
		if ValidEmoji(s) {
			t.Errorf("%q (%+q) is one", s, s)
		}
	}
}

func FuzzValidEmoji(f *testing.F) {
	f.Add("👩‍👩‍👧‍👦")
	f.Add("1️⃣")
	f.Add("\xf0\x9f")
	f.Fuzz(func(t *testing.T, s string) {
		if ValidEmoji(s) && (len(s) > MaxEmojiBytes || strings.ContainsAny(s, "\x00\n <>&'\"\\/")) {
			t.Errorf("%q is an emoji", s)
		}
	})
}
