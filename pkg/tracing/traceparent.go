package tracing

import (
	"encoding/hex"
	"fmt"
	"net/http"
)

// The headers of W3C Trace Context.
const (
	headerParent = "Traceparent"
	headerState  = "Tracestate"
)

// Parent reads who asked from a request's traceparent header. ok is false where
// there is none, or none that can be read. c is the zero Context where the caller
// has decided not to sample.
//
// Anybody can write the header: who believes all callers lets any of them have
// everything traced.
func Parent(h http.Header) (c Context, ok bool) {
	list := h.Values(headerParent)
	if len(list) != 1 {
		return Context{}, false
	}
	v := list[0]
	const size = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(v) < size || v[2] != '-' || v[35] != '-' || v[52] != '-' || v[:2] == "ff" || v[:2] == "00" && len(v) != size || len(v) > size && v[size] != '-' {
		return Context{}, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], v[:2]}, {c.Trace[:], v[3:35]}, {c.Span[:], v[36:52]}, {flags[:], v[53:55]}} {
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil || hex.EncodeToString(part.to) != part.from {
			return Context{}, false // upper case is not allowed
		}
	}
	if c.Trace == [16]byte{} || c.Span == [8]byte{} {
		return Context{}, false
	}
	if flags[0]&1 == 0 {
		return Context{}, true
	}
	return c, true
}

// SetParent makes the headers of a request that is passed on say who asks: c, or
// nobody. What they said before is removed.
func SetParent(h http.Header, c Context) {
	h.Del(headerParent)
	h.Del(headerState)
	if c.Sampled() {
		h.Set(headerParent, fmt.Sprintf("00-%x-%x-01", c.Trace, c.Span))
	}
}
