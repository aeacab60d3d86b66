// Package rest is what the HTTP endpoints of all services have in common: who
// asks, how a request is read, and how an answer and an error look (PROTOCOL
// §5). It knows nothing of what is asked for, and nothing of a router.
package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/tracing"
)

// DefaultTimeout bounds one request.
const DefaultTimeout = 5 * time.Second

// Verifier turns a bearer token into an identity; an [*auth.Verifier] is one. Its
// errors hold a [*chat.Error] that is fit for the client, or say nothing to it.
type Verifier interface {
	Verify(token string) (auth.Identity, error)
}

// Handler answers a request of somebody who is known. It returns an error, with
// nothing written, where [Error] is to answer. The request's context ends with
// the time that it has.
type Handler func(w http.ResponseWriter, r *http.Request, id auth.Identity) error

// API makes handlers of Handlers. Verifier must be set; the fields are not
// changed once it is in use.
type API struct {
	Verifier Verifier
	Guard    *guard.Guard  // bounds requests by address and user; nil: nothing does
	Timeout  time.Duration // of one request; 0: 5 s
	Log      *slog.Logger  // gets the cause of every answer 5xx; nil: nobody does
}

// Handle makes an http.Handler: it authenticates, bounds the time, and answers
// what h returns, or a panic of h, as a problem. The token is only taken from the
// Authorization header.
func (a *API) Handle(h Handler) http.HandlerFunc {
	timeout := a.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return func(w http.ResponseWriter, r *http.Request) {
		NameRoute(r, r.Method+" "+r.Pattern)
		id, err := a.admit(r)
		if err != nil {
			Error(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		defer a.recovered(w, r)
		if err := h(w, r.WithContext(ctx), id); err != nil {
			a.logFailure(r, err)
			Error(w, err)
		}
	}
}

// admit lets a request in whose token is good, as long as its address and its user
// do not ask for too much.
func (a *API) admit(r *http.Request) (auth.Identity, error) {
	source := a.Guard.Source(r)
	if err := a.Guard.Request(source); err != nil {
		return auth.Identity{}, err
	}
	id, err := a.Authenticate(r)
	if err != nil {
		if Guessed(err) {
			a.Guard.Failed(source)
		}
		return auth.Identity{}, err
	}
	return id, a.Guard.RequestBy(id.NS, id.User)
}

// Guessed reports whether a failed authentication is one that no honest client comes
// by: not for want of a token or of keys, and not with a token that was good once.
func Guessed(err error) bool {
	var e *auth.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Reason {
	case auth.ReasonMissing, auth.ReasonNoKeys, auth.ReasonExpired, auth.ReasonRevoked, auth.ReasonBanned, auth.ReasonNotYetValid:
		return false
	}
	return true
}

// Authenticate says who sent a request. Its error holds a [*chat.Error].
func (a *API) Authenticate(r *http.Request) (auth.Identity, error) {
	token, tried := auth.BearerFromHeader(r.Header)
	if !tried {
		return auth.Identity{}, errNoToken
	}
	id, err := a.Verifier.Verify(token)
	var cerr *chat.Error
	switch {
	case err == nil:
		return id, nil
	case errors.As(err, &cerr):
		return auth.Identity{}, err
	}
	return auth.Identity{}, chat.Errorf(chat.CodeUnauthenticated, "the token is not valid")
}

var errNoToken = chat.Errorf(chat.CodeUnauthenticated, "a bearer token is needed")

func (a *API) logFailure(r *http.Request, err error) {
	if a.Log == nil || Status(chat.AsError(err).Code) < http.StatusInternalServerError {
		return
	}
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // the client went away: nothing failed
	}
	a.Log.Error("request failed", "method", r.Method, "route", r.Pattern, tracing.From(r.Context()).LogAttr(), "error", err)
}

// recovered turns a panic into an answer, and logs it where the answers are
// logged. Answers are encoded before they are begun, so none has been.
func (a *API) recovered(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	if a.Log != nil {
		a.Log.Error("request panicked", "method", r.Method, "route", r.Pattern, tracing.From(r.Context()).LogAttr(), "panic", p, "stack", string(debug.Stack()))
	}
	Error(w, chat.Errorf(chat.CodeInternal, "something went wrong here; repeat this unchanged"))
}
