package config

import (
	"log/slog"
	"strings"
)

// URI is the address of something that may want credentials, or several such
// addresses with commas between them. Printed or logged it is without them;
// string(u) has them.
type URI string

// String leaves out users, passwords and the query, in which MongoDB's options may
// carry secrets as well. It does not parse, because what is badly formed has
// secrets, too: all from the first "://" to the last "@" is left out, so that of
// several addresses with credentials only the last one's host is shown.
func (u URI) String() string {
	scheme, rest, ok := strings.Cut(string(u), "://")
	if !ok {
		scheme, rest = "", scheme
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "…@" + rest[i+1:]
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		rest = rest[:i] + "?…"
	}
	return scheme + rest
}

// GoString is for %#v.
func (u URI) GoString() string { return u.String() }

// LogValue is for slog.
func (u URI) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Set makes a URI a flag.Value. It takes everything: an error would be printed
// together with the value.
func (u *URI) Set(s string) error {
	*u = URI(strings.TrimSpace(s))
	return nil
}
