package chat

import (
	"errors"
	"fmt"
	"time"
)

// Code is an error code of the protocol.
type Code string

// The error codes. [CodeUnavailable] and [CodeInternal] say nothing about the
// outcome; every other code is final: nothing was or will be stored.
const (
	CodeBadFrame        Code = "bad_frame"
	CodeBadRequest      Code = "bad_request"
	CodeUnauthenticated Code = "unauthenticated"
	CodeForbidden       Code = "forbidden"
	CodeNotFound        Code = "not_found"
	CodeCMIDConflict    Code = "cmid_conflict"
	CodeTooLarge        Code = "too_large"
	CodeRateLimited     Code = "rate_limited"
	CodeUnavailable     Code = "unavailable"
	CodeInternal        Code = "internal"
)

// Error is an error that a client is told. Message is safe to show and never
// contains a cause.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // 0: none is named
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf makes an [Error] with a public message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Unavailable is the answer where the outcome is not known, or nothing could be
// tried: the client repeats the same cmid after a while.
func Unavailable(message string) *Error {
	return &Error{Code: CodeUnavailable, Message: message, RetryAfter: time.Second}
}

// AsError turns any error into what a client may see: itself if it is an
// [Error], else [CodeUnavailable] without the cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Unavailable("the store does not answer now; repeat this unchanged")
}

// CloseCode is a WebSocket close code of the protocol (RFC 6455 §7.4).
type CloseCode int

// The close codes; PROTOCOL §4 says what a client does on each.
const (
	CloseGoingAway      CloseCode = 1001
	CloseTooLarge       CloseCode = 1009
	CloseInternal       CloseCode = 1011
	CloseRestart        CloseCode = 1012
	CloseTryLater       CloseCode = 1013
	CloseProtocol       CloseCode = 4400
	CloseUnauthorized   CloseCode = 4401
	CloseForbidden      CloseCode = 4403
	CloseReplaced       CloseCode = 4409
	CloseTooManyFrames  CloseCode = 4429
	CloseTooSlow        CloseCode = 4508
	CloseUnknownOutcome CloseCode = 1006 // never sent: the peer went without a word
)
