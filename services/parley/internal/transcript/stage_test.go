package transcript

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/talk"
)

// section is one feature.
type section struct {
	title string
	text  string // what there is to see
	play  func(*stage)
}

// stage is where a section is played: a deployment, and what has been written down.
type stage struct {
	*testing.T
	talk.Talker
	url    string
	signer *auth.Signer
	lines  []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	c, err := allinone.Start(t.Context(), allinone.Options{Data: dir, DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	keys, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: allinone.SecretFile(dir)})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, url: c.URLs[0]}
	if s.signer, err = auth.NewSigner(auth.SignerOptions{HS256Secret: keys.HS256Secret}); err != nil {
		t.Fatal(err)
	}
	s.Talker = talk.Talker{T: t, Token: s.token}
	return s
}

// service is who may send in anybody's name.
const service = chat.User("billing")

// operator is who may see to what is not theirs.
const operator = chat.User("root")

func (s *stage) token(user chat.User) (string, error) {
	id := auth.Identity{User: user}
	switch user {
	case service:
		id.Scopes = []string{auth.ScopeSendAny}
	case operator:
		id.Scopes = []string{auth.ScopeOperator, auth.ScopeEraseAny}
	}
	return s.signer.Sign(id, time.Hour)
}

func (s *stage) write(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// say is a remark between the lines.
func (s *stage) say(text string) { s.write("\n# %s", text) }

// rest makes a request as a user and writes it down with its answer.
func (s *stage) rest(user chat.User, method, path, body string) string {
	s.Helper()
	a := s.Do(method, s.url+path, user, body)
	if text, err := url.QueryUnescape(path); err == nil {
		path = text
	}
	s.write("%s", strings.TrimRight(fmt.Sprintf("%-6s %s %s   %s", user, method, path, body), " "))
	for i, line := range strings.Split(strings.TrimSuffix(a.Body, "\n"), "\n") {
		status := strconv.Itoa(a.Status)
		if i > 0 {
			status = "   "
		}
		s.write("%s", strings.TrimRight(fmt.Sprintf("       %s %s", status, line), " "))
	}
	return a.Body
}

// device is one user's connection. Only what a section asks for is written down.
type device struct {
	*talk.Socket
	s       *stage
	name    string
	epoch   string // of its welcome
	skipped []talk.Frame
}

// connect connects a device, and waits until it is synced.
func (s *stage) connect(user chat.User, hello string) *device {
	s.Helper()
	d := &device{s: s, name: string(user)}
	if hello == "" {
		hello = `{"type":"hello"}`
	} else {
		s.write("%-6s → %s", d.name, hello)
	}
	d.Socket = s.Dial(s.url, user, hello, nil)
	for {
		f := d.Until(func(talk.Frame) bool { return true })
		if f.Type == "synced" {
			return d
		}
		if f.Type != "welcome" {
			d.skipped = append(d.skipped, f)
			continue
		}
		var w wire.Welcome
		s.Decode(answerOf(f.Raw), &w)
		d.epoch = w.Epoch
	}
}

// send writes a frame.
func (d *device) send(format string, args ...any) {
	d.s.Helper()
	frame := fmt.Sprintf(format, args...)
	d.s.write("%-6s → %s", d.name, frame)
	d.Send("%s", frame)
}

// get waits for the next frame of a type, in whatever order the types come.
func (d *device) get(frameType string) talk.Frame {
	d.s.Helper()
	f := d.hear(frameType)
	d.s.write("%-6s ← %s", d.name, f.Raw)
	return f
}

// hear is get for what need not be shown.
func (d *device) hear(frameType string) talk.Frame {
	d.s.Helper()
	if i := slices.IndexFunc(d.skipped, func(f talk.Frame) bool { return f.Type == frameType }); i >= 0 {
		f := d.skipped[i]
		d.skipped = slices.Delete(d.skipped, i, i+1)
		return f
	}
	return d.Until(func(f talk.Frame) bool {
		if f.Type != frameType {
			d.skipped = append(d.skipped, f)
		}
		return f.Type == frameType
	})
}

// shorten are what differs from run to run, or is too long to read.
var shorten = []struct {
	find *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "…"},
	{regexp.MustCompile(`"(session|epoch|server|next)":"[^"]+"`), `"$1":"…"`},
	{regexp.MustCompile(`/v1/blobs/[^" ]+`), "/v1/blobs/…"},
	{regexp.MustCompile(`\b([dgaj]_[a-z0-9]{5})[a-z0-9]{10,}`), "$1"},
	{regexp.MustCompile(`"limits":\{[^}]*\}`), `"limits":{…}`},
}

// text is the whole section.
func (s *stage) text() string {
	text := strings.Trim(strings.Join(s.lines, "\n"), "\n")
	for _, x := range shorten {
		text = x.find.ReplaceAllString(text, x.with)
	}
	return text
}

// answerOf is an answer that went well.
func answerOf(body string) talk.Answer { return talk.Answer{Status: 200, Body: body} }

// squeeze makes one line of a document.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
