package upload

import (
	"mime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
)

// The bounds of what a file is called; those of [wire.Attachment].
const (
	maxNameBytes = 255
	maxTypeBytes = 127
)

// check checks what is announced, and brings its type into one form.
func (m *Manager) check(f *Announced) *chat.Error {
	badName := f.Name == "" || len(f.Name) > maxNameBytes || !utf8.ValidString(f.Name) ||
		strings.ContainsFunc(f.Name, func(r rune) bool {
			return r == '/' || r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
		})
	switch {
	case badName:
		return chat.Errorf(chat.CodeBadRequest, `"name" must be a file's name of 1 to %d bytes, without slashes and control characters`, maxNameBytes)
	case f.Size < 1:
		return chat.Errorf(chat.CodeBadRequest, `"size" is missing or not positive`)
	case f.Size > m.opts.MaxBytes:
		return chat.Errorf(chat.CodeTooLarge, "an attachment has at most %d bytes", m.opts.MaxBytes)
	case !f.CMID.Valid():
		return chat.Errorf(chat.CodeBadRequest, `"cmid" is missing or not of the form [A-Za-z0-9_-]{1,64}`)
	}
	typ, _, err := mime.ParseMediaType(f.Type)
	if err != nil || len(typ) > maxTypeBytes || strings.Count(typ, "/") != 1 {
		return chat.Errorf(chat.CodeBadRequest, `"type" is missing or not a content type`)
	}
	f.Type = typ
	if !m.takes(typ) {
		return chat.Errorf(chat.CodeForbidden, "this server takes no attachments of type %s", typ)
	}
	return nil
}

// takes reports whether a type is among those that are taken.
func (m *Manager) takes(typ string) bool {
	if len(m.opts.Types) == 0 {
		return true
	}
	for _, t := range m.opts.Types {
		if prefix, any := strings.CutSuffix(t, "*"); t == typ || any && strings.HasPrefix(typ, prefix) {
			return true
		}
	}
	return false
}

type rateKey struct {
	ns   chat.NS
	user chat.User
}

// rate is a token bucket: PerMin a minute, and as many at once.
type rate struct {
	tokens float64
	at     time.Time
}

// mostRates is how many users' rates a pod remembers.
const mostRates = 64 << 10

// take takes a user's token.
func (m *Manager) take(k rateKey) *chat.Error {
	now, full := time.Now(), float64(m.opts.PerMin)
	m.mu.Lock()
	defer m.mu.Unlock()
	left := func(r rate) float64 { return min(full, r.tokens+now.Sub(r.at).Minutes()*full) }
	r, known := m.rates[k]
	if !known {
		if len(m.rates) >= mostRates {
			for k, r := range m.rates {
				if left(r) >= full {
					delete(m.rates, k)
				}
			}
		}
		if len(m.rates) >= mostRates {
			return chat.Unavailable("this pod is overloaded; repeat later")
		}
		r = rate{full, now}
	}
	r = rate{left(r), now}
	if r.tokens < 1 {
		return &chat.Error{Code: chat.CodeRateLimited, Message: "too many uploads", RetryAfter: time.Minute / time.Duration(m.opts.PerMin)}
	}
	r.tokens--
	m.rates[k] = r
	return nil
}
