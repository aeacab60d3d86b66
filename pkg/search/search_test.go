package search

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
)

func termsOf(text string) string {
	var list []string
	for _, t := range analyze(text) {
		list = append(list, t.term)
	}
	return strings.Join(list, "|")
}

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		" .,;!? ":                    "",
		"Hello, World!":              "hello|world",
		"don't DON’T":                "dont|dont",
		"Crème brûlée, naïve Größe":  "creme|brulee|naive|grosse",
		"ΆΛΦΑ ἄλφα":                  "αλφα|αλφα",
		"Ёлка ёлка":                  "елка|елка",
		"ｆｕｌｌ　ｗｉｄｔｈ １２":              "full|width|12",
		"see example.com/a_b?x=3.14": "see|example|com|a|b|x|3|14",
		"你好世界":                       "你|好|世|界",
		"iPhone手机16Pro":              "iphone|手|机|16pro",
		"中，文":                        "中|文",
		"ｶﾞｯﾂ がっつ":                   "ガ|ッ|ツ|が|っ|つ",
		"東京タワー":                      "東|京|タ|ワ|ー",
		"안녕":                         "안|녕",
		"สวัสดี":                     "ส|วั|ส|ดี",
		"👍 👍🏽 👩‍👩‍👧 ❤️":                  "👍|👍|👩👩👧|❤",
		"<script>alert(1)</script>":      "script|alert|1|script",
		"\u202eabc\u202c":                "abc",
		"x\u200dy":                       "xy",
		strings.Repeat("é", 50) + " end": strings.Repeat("e", 50) + "|end",
		strings.Repeat("ab", 50):         strings.Repeat("ab", 32),
		strings.Repeat("ж", 50):          strings.Repeat("ж", 32),
	} {
		if got := termsOf(text); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestTermsHavePairsOfCharacters(t *testing.T) {
	terms, n := Terms("你好 hi 好你好")
	want := []Term{{"hi", 1}, {"你", 2}, {"你好", 2}, {"好", 3}, {"好你", 1}}
	if n != 6 || !slices.Equal(terms, want) {
		t.Errorf("%d tokens, %v", n, terms)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		query, text string
		want        bool
	}{
		{"hello", "Hello, world", true},
		{"hell", "Hello, world", false},
		{"world hello", "Hello, world", true},
		{"hello moon", "Hello, world", false},
		{`"hello world"`, "Hello, world", true},
		{`"world hello"`, "Hello, world", false},
		{"“hello world”", "oh hello world", true},
		{`"hello world`, "hello big world", false},
		{"creme", "Crème", true},
		{"CRÈME", "creme", true},
		{"example.com", "at example.com/x", true},
		{"example.com", "com is no example", false},
		{"com", "example.com", true},
		{"世界", "你好世界", true},
		{"界世", "你好世界", false},
		{"好世界", "你好世界", true},
		{"你好 世界", "世界，你好", true},
		{"你好世界", "你好，世界", false},
		{"世", "你好世界", true},
		{"手机iphone", "iPhone 手机", true},
		{`"iphone手机"`, "iPhone 手机", true},
		{"中国人民", "中国的人民", false},
		{"👍", "ok 👍🏽", true},
		{"it's", "its", true},
	} {
		q, err := ParseQuery(c.query)
		if err != nil {
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		found, ok := q.Match(c.text)
		if ok != c.want || ok != (len(found) > 0) {
			t.Errorf("%q in %q: %v %v", c.query, c.text, ok, found)
		}
		terms, _ := Terms(c.text)
		for _, term := range q.Terms() {
			if ok && !slices.ContainsFunc(terms, func(t Term) bool { return t.Text == term }) {
				t.Errorf("%q matches %q, which lacks the term %q", c.query, c.text, term)
			}
		}
	}
}

func TestQueryTerms(t *testing.T) {
	for query, want := range map[string]string{
		"a bcd ef bcd": "bcd|ef|a",
		"一二":           "一二",
		"一二三":          "一二|二三",
		"一二三四":         "一二|三四",
		"一二三四五":        "一二|三四|四五",
		`"一 二三"`:       "二三|一",
		"a_b":          "a|b",
		"x " + strings.Repeat("甲乙丙丁戊己庚辛壬癸", 8): "",
	} {
		q, err := ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		terms := q.Terms()
		if len(terms) >= MostTerms || want != "" && strings.Join(terms, "|") != want {
			t.Errorf("%q: %v", query, terms)
		}
	}
}

func TestBadQueries(t *testing.T) {
	for _, query := range []string{"", "  ", "?!", `""`, `" "`, "'", strings.Repeat("a ", 17), strings.Repeat("x", 513), "\xff\xfe"} {
		_, err := ParseQuery(query)
		if e, ok := err.(*chat.Error); !ok || e.Code != chat.CodeBadRequest {
			t.Errorf("%q: %v", query, err)
		}
	}
}

// highlighted shows a snippet with its ranges in brackets.
func highlighted(t *testing.T, query, text string) string {
	t.Helper()
	q, err := ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := q.Match(text)
	snippet, ranges := Snippet(text, found)
	units := utf16.Encode([]rune(snippet))
	var b strings.Builder
	at := 0
	for _, r := range ranges {
		b.WriteString(string(utf16.Decode(units[at:r.Start])) + "[" + string(utf16.Decode(units[r.Start:r.End])) + "]")
		at = r.End
	}
	return b.String() + string(utf16.Decode(units[at:]))
}

func TestSnippet(t *testing.T) {
	long := strings.Repeat("alpha beta ", 40)
	for _, c := range []struct{ query, text, want string }{
		{"b", "a b c B", "a [b] c [B]"},
		{"世界", "😀 你好世界！", "😀 你好[世界]！"},
		{"b a", "<b>&amp;\n\ta</b>", "<[b]>&amp;  [a]</[b]>"},
		{"x", "a\u202e\x00x\u2066y x", "axy [x]"},
		{"creme", "Crème!", "[Crème]!"},
		{"gamma", long + "gamma " + long, ""},
		{"alpha", strings.Repeat("世", 100) + " alpha", ""},
	} {
		got := highlighted(t, c.query, c.text)
		if c.want != "" && got != c.want {
			t.Errorf("%q in %q: %q", c.query, c.text, got)
		}
		if !strings.Contains(got, "[") || utf8.RuneCountInString(got) > SnippetRunes+2*90 {
			t.Errorf("%q: %q", c.query, got)
		}
	}
	if got := highlighted(t, "gamma", long+"gamma "+long); !strings.HasPrefix(got, "…beta alpha") && !strings.HasPrefix(got, "…alpha beta") ||
		!strings.HasSuffix(got, "…") || !strings.Contains(got, " [gamma] ") {
		t.Errorf("%q", got)
	}
}

func TestTextOfBody(t *testing.T) {
	for body, want := range map[string]string{
		``:                       "",
		`{"text":"a <b>"}`:       "a <b>",
		`{"data":{"text":"no"}}`: "",
		`{"text":"see","attachments":[{"id":"1","name":"plan.pdf"},{"id":"2"},{"name":"b.png"}]}`: "see\nplan.pdf\nb.png",
		`{"attachments":[{"name":"plan.pdf"}]}`:                                                   "plan.pdf",
		`not json`:                                                                                "",
	} {
		if got := TextOf([]byte(body)); got != want {
			t.Errorf("%s: %q", body, got)
		}
	}
}

// Whatever the text: every token is inside of it and in order, and it matches
// itself in quotes.
func FuzzAnalyze(f *testing.F) {
	for _, s := range []string{"Hello 世界", "don't_stop", "ｶﾞ\u0301a", "\xff", "👩‍👩‍👧"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, at := analyze(text), 0
		for _, tok := range tokens {
			if tok.start < at || tok.end <= tok.start || tok.end > len(text) || tok.term == "" || len(tok.term) > maxTerm ||
				strings.ContainsAny(tok.term, "\x00"+fromMark) {
				t.Fatalf("%q: %+v", text, tok)
			}
			at = tok.end
		}
		if len(tokens) == 0 {
			return
		}
		found, ok := Query{phrases: []phrase{tokens}}.Match(text)
		if !ok {
			t.Fatalf("%q does not match itself: %+v", text, tokens)
		}
		snippet, ranges := Snippet(text, found)
		units := len(utf16.Encode([]rune(snippet)))
		for _, r := range ranges {
			if r.Start < 0 || r.End <= r.Start || r.End > units {
				t.Fatalf("%q: %q %v", text, snippet, ranges)
			}
		}
	})
}
