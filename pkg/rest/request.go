package rest

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Query reads query parameters. Parameters that nobody asks for are ignored. The
// first problem is kept for [Query.Err], so that a handler asks once.
type Query struct {
	values url.Values
	err    *chat.Error
}

// ParseQuery begins to read the parameters of a request.
func ParseQuery(r *http.Request) *Query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &Query{values: values}
	if err != nil {
		q.fail("the query is not well-formed")
	}
	return q
}

func (q *Query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = chat.Errorf(chat.CodeBadRequest, format, args...)
	}
}

// Text is a parameter as it is, or "" where it is missing.
func (q *Query) Text(name string) string {
	v := q.values[name]
	if len(v) > 1 {
		q.fail("%q is given more than once", name)
	}
	return q.values.Get(name)
}

// Seq is a parameter that is a seq, or nil where it is missing.
func (q *Query) Seq(name string) *chat.Seq {
	if !q.values.Has(name) {
		return nil
	}
	seq := chat.Seq(q.number(name, 0, int64(chat.MaxSeq)))
	return &seq
}

// Int is a parameter that is a number from low to high, or 0 where it is missing.
func (q *Query) Int(name string, low, high int) int {
	if !q.values.Has(name) {
		return 0
	}
	return int(q.number(name, int64(low), int64(high)))
}

func (q *Query) number(name string, low, high int64) int64 {
	n, err := strconv.ParseUint(q.Text(name), 10, 63)
	if err != nil || int64(n) < low || int64(n) > high {
		q.fail("%q must be a number from %d to %d", name, low, high)
		return 0
	}
	return int64(n)
}

// Err is the first problem, a [*chat.Error], or nil.
func (q *Query) Err() error {
	if q.err == nil {
		return nil
	}
	return q.err
}

// PathConv is a conversation id in the path. One of the wrong form names nothing,
// so it is not_found.
func PathConv(r *http.Request, name string) (chat.ConvID, error) {
	conv := chat.ConvID(pathValue(r, name))
	if !conv.Valid() {
		return "", chat.Errorf(chat.CodeNotFound, "no such conversation, or you are not in it")
	}
	return conv, nil
}

// PathUser is a user id in the path, which may be percent-encoded.
func PathUser(r *http.Request, name string) (chat.User, error) {
	user := chat.User(pathValue(r, name))
	if !user.Valid() {
		return "", chat.Errorf(chat.CodeBadRequest, "the path has no user id where it should")
	}
	return user, nil
}

// PathDevice is a device id in the path.
func PathDevice(r *http.Request, name string) (chat.Device, error) {
	device := chat.Device(pathValue(r, name))
	if !device.Valid() {
		return "", chat.Errorf(chat.CodeBadRequest, "the path has no device id where it should")
	}
	return device, nil
}

// pathValue decodes a part of the path. Routers match the path as it was written
// where it has needless percent-encoding, such as that of "@", and else the
// decoded one; decoding that a second time would make two ids of one text.
func pathValue(r *http.Request, name string) string {
	v := r.PathValue(name)
	if r.URL.RawPath == "" {
		return v
	}
	decoded, err := url.PathUnescape(v)
	if err != nil {
		return ""
	}
	return decoded
}

// ReadJSON reads the body, one JSON object of at most limit bytes, into v. As in
// frames, what is no such object, all of it, is bad_frame whatever else is wrong with
// it; unknown fields are bad_request. It blocks while the body comes in; the server's
// read timeout bounds that. Its error is a [*chat.Error].
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return chat.Errorf(chat.CodeTooLarge, "the body has more than %d bytes", limit)
	case err != nil:
		return chat.Errorf(chat.CodeBadRequest, "the body cannot be read")
	}
	if object := jsontext.Value(data); object.Kind() != '{' || !object.IsValid() {
		return errNoObject
	}
	err = json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	var sem *json.SemanticError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &sem):
		return errNoObject
	case errors.Is(err, json.ErrUnknownName):
		return chat.Errorf(chat.CodeBadRequest, "the body has the unknown field %.64s", sem.JSONPointer)
	}
	return chat.Errorf(chat.CodeBadRequest, "the body has a wrong type or value at %.64s", sem.JSONPointer)
}

var errNoObject = chat.Errorf(chat.CodeBadFrame, "the body is not one JSON object in UTF-8 without duplicate keys")
