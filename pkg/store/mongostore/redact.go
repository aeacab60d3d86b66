package mongostore

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// Redact is a connection string without what nobody may see: user info, and the
// values of all options.
func Redact(uri string) string {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return redacted
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = redacted + rest[i:]
	}
	// The options come last, and may hold secrets too: the password of a key
	// file, an AWS session token.
	rest, query, ok := strings.Cut(rest, "?")
	if !ok {
		return scheme + "://" + rest
	}
	var keys []string
	for option := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		key, _, _ := strings.Cut(option, "=")
		keys = append(keys, key+"="+redacted)
	}
	return scheme + "://" + rest + "?" + strings.Join(keys, "&")
}

// databaseOf is the database that a connection string names, or the default.
func databaseOf(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, "?")
	_, name, _ := strings.Cut(rest, "/")
	if name, err := url.PathUnescape(name); err == nil && name != "" {
		return name
	}
	return DefaultDatabase
}

// redactor takes the secrets of one connection string out of errors. The driver
// shows parts of the string where it cannot read it.
type redactor struct {
	secrets []string // longest first
}

func newRedactor(uri string) redactor {
	var r redactor
	add := func(secret string) {
		if secret == "" {
			return
		}
		r.secrets = append(r.secrets, secret)
		if plain, err := url.QueryUnescape(secret); err == nil && plain != secret {
			r.secrets = append(r.secrets, plain)
		}
		if plain, err := url.PathUnescape(secret); err == nil && plain != secret {
			r.secrets = append(r.secrets, plain)
		}
	}
	_, rest, _ := strings.Cut(uri, "://")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		info := rest[:i]
		add(info)
		_, password, _ := strings.Cut(info, ":")
		add(password)
		// A password with an unescaped sign is cut there by the driver.
		for part := range strings.FieldsFuncSeq(password, func(r rune) bool { return strings.ContainsRune(":/@?", r) }) {
			add(part)
		}
		rest = rest[i:]
	}
	_, query, _ := strings.Cut(rest, "?")
	for option := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		key, value, _ := strings.Cut(option, "=")
		switch strings.ToLower(key) {
		case "tlscertificatekeyfilepassword", "sslclientcertificatekeypassword":
			add(value)
		case "authmechanismproperties":
			for property := range strings.SplitSeq(value, ",") {
				_, secret, _ := strings.Cut(property, ":")
				add(secret)
			}
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r
}

// clean returns err itself if its text shows no secret, else an error that says
// the rest of it and is still known by [errors.Is] and [errors.As].
func (r redactor) clean(err error) error {
	shown := err.Error()
	text := shown
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	if text == shown {
		return err
	}
	return &cleanError{text: text, err: err}
}

// cleanError hides the error that it was made from from everything that prints
// or unwraps.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string        { return e.text }
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *cleanError) As(target any) bool   { return errors.As(e.err, target) }
