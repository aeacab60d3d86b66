package wire

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Decode reads one client frame. It returns the frame's ref even where the rest
// is wrong, as far as it can be read, so that the error can carry it.
//
// Not JSON, an unknown type, invalid UTF-8 and duplicate keys are bad_frame; a
// frame that is well-formed but wrong is bad_request; a part over its limit is
// too_large. Unknown fields are refused, except in hello. The frame does not
// keep data.
func Decode(data []byte, lim chat.Limits) (f Frame, ref string, cerr *chat.Error) {
	if f, ref, cerr, ok := plain(data, lim); ok {
		return f, ref, cerr
	}
	return decode(data, lim)
}

// decode is [Decode] for frames of any form.
func decode(data []byte, lim chat.Limits) (f Frame, ref string, cerr *chat.Error) {
	var head struct {
		Type jsontext.Value `json:"type"`
		Ref  jsontext.Value `json:"ref"`
	}
	// One full pass: the decoder refuses duplicate keys and invalid UTF-8 at every
	// depth, also in what it skips.
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, "", chat.Errorf(chat.CodeBadFrame, "the frame is not one JSON object: %s", publicReason(err))
	}
	typ, ok := stringOf(head.Type)
	if !ok {
		return nil, "", chat.Errorf(chat.CodeBadFrame, `the frame has no "type"`)
	}
	if len(head.Ref) > 0 {
		if ref, ok = stringOf(head.Ref); !ok || utf8.RuneCountInString(ref) > chat.MaxRef {
			return nil, "", chat.Errorf(chat.CodeBadRequest, `"ref" must be a string of at most %d characters`, chat.MaxRef)
		}
	}
	if f = newFrame(typ); f == nil {
		return nil, ref, chat.Errorf(chat.CodeBadFrame, "unknown frame type %q", clipped(typ))
	}
	if err := json.Unmarshal(data, f, json.RejectUnknownMembers(typ != "hello")); err != nil {
		return nil, ref, chat.Errorf(chat.CodeBadRequest, "%s: %s", typ, publicReason(err))
	}
	if cerr := f.check(lim); cerr != nil {
		return nil, ref, cerr
	}
	return f, ref, nil
}

// publicReason is what of a decoding error a client may see: where it happened,
// not Go's types.
func publicReason(err error) string {
	var sem *json.SemanticError
	if errors.As(err, &sem) {
		if errors.Is(err, json.ErrUnknownName) {
			return "unknown field " + clipped(string(sem.JSONPointer))
		}
		if sem.JSONPointer != "" {
			return "wrong type or value at " + clipped(string(sem.JSONPointer))
		}
		return "wrong type"
	}
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			return "duplicate key at " + clipped(string(syn.JSONPointer))
		case strings.Contains(syn.Error(), "UTF-8"):
			return "invalid UTF-8"
		}
		return "syntax error"
	}
	return "cannot be read"
}

func stringOf(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(v, &s)
	return s, err == nil
}

// clipped keeps a client's own words in an error message short.
func clipped(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
