package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	dim   = "\x1b[2m"
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
	// overTyped goes back over the line that the user has just typed.
	overTyped = "\x1b[1A\x1b[2K"
)

// screen writes lines for people. Write errors show at the end: a terminal that is
// gone ends the input, too.
type screen struct {
	out io.Writer
	me  chat.User
	now func() time.Time
}

func (s *screen) note(format string, args ...any) {
	fmt.Fprintf(s.out, dim+"  "+format+plain+"\n", args...)
}

// message shows a message line.
func (s *screen) message(at time.Time, from chat.User, text string) {
	lines := strings.Split(text, "\n")
	fmt.Fprintf(s.out, "%s%s%s %s%s:%s %s\n", dim, s.clock(at), plain, bold, from, plain, lines[0])
	for _, l := range lines[1:] {
		fmt.Fprintf(s.out, "      %s\n", l)
	}
}

// typed replaces the line that the user has typed by the message that it became.
func (s *screen) typed(text string) {
	fmt.Fprint(s.out, overTyped)
	s.message(s.now(), s.me, clean(text))
}

// entry shows an entry of the conversation.
func (s *screen) entry(e *wire.Entry) {
	if e.Type == string(chat.KindMessage) {
		s.message(e.Time.Time, e.From, textOf(e))
		return
	}
	s.note("%s %s", s.clock(e.Time.Time), deed(e))
}

// clock is the time of day, with the date where it is another day.
func (s *screen) clock(t time.Time) string {
	now := s.now()
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2 Jan 15:04")
}

// textOf is what a message says, fit for a terminal.
func textOf(e *wire.Entry) string {
	if e.Gone {
		return "(taken back)"
	}
	var b wire.Body
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return "(unreadable)"
	}
	parts := []string{}
	if b.Text != "" {
		parts = append(parts, b.Text)
	}
	for _, a := range b.Attachments {
		parts = append(parts, "[file "+a.Name+"]")
	}
	if len(b.Data) > 0 {
		parts = append(parts, "[data "+string(b.Data)+"]")
	}
	return clean(strings.Join(parts, " "))
}

// deed is what an entry that is no message says.
func deed(e *wire.Entry) string {
	var users []string
	for _, u := range e.Users {
		users = append(users, string(u.User))
	}
	who := strings.Join(users, ", ")
	switch chat.Kind(e.Type) {
	case chat.KindEdited:
		return fmt.Sprintf("%s changed #%d: %s", e.From, e.Target, textOf(e))
	case chat.KindRecalled:
		return fmt.Sprintf("%s took back #%d", e.From, e.Target)
	case chat.KindReacted:
		if e.On != nil && !*e.On {
			return fmt.Sprintf("%s took %s from #%d", e.From, clean(e.Emoji), e.Target)
		}
		return fmt.Sprintf("%s: %s to #%d", e.From, clean(e.Emoji), e.Target)
	case chat.KindMembers:
		switch e.Change {
		case chat.ChangeCreated:
			return fmt.Sprintf("%s made this group %q with %s", e.From, clean(e.Title), who)
		case chat.ChangeRenamed:
			return fmt.Sprintf("%s named this group %q", e.From, clean(e.Title))
		}
		return fmt.Sprintf("%s: %s %s", e.From, clean(string(e.Change)), who)
	}
	return fmt.Sprintf("%s: %s", e.From, clean(e.Type))
}

// clean takes out of a text what steers a terminal, or turns the direction of
// what follows: others wrote it. Line breaks stay.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, text)
}

// latest is the highest of some ascending seqs that is not above limit; 0: none.
func latest(seqs []chat.Seq, limit chat.Seq) chat.Seq {
	i, found := slices.BinarySearch(seqs, limit)
	switch {
	case found:
		return limit
	case i == 0:
		return 0
	}
	return seqs[i-1]
}
