package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens is a verifier that knows tokens by heart.
type tokens map[string]auth.Identity

func (t tokens) Verify(token string) (auth.Identity, error) {
	id, ok := t[token]
	if !ok {
		return id, &auth.Error{Reason: auth.ReasonSignature}
	}
	return id, nil
}

func get(h http.Handler, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://chat.example/x", nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) wire.Problem {
	t.Helper()
	var p wire.Problem
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p, json.RejectUnknownMembers(true)); err != nil {
		t.Errorf("%s: %v", w.Body, err)
	}
	if p.Status != w.Code || p.Title != http.StatusText(w.Code) || p.Type == "" || p.Detail == "" {
		t.Errorf("status %d, problem %+v", w.Code, p)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
	return p
}

func TestErrors(t *testing.T) {
	secret := errors.New("mongodb://user:secret@10.0.0.1 is down")
	for _, c := range []struct {
		err        error
		status     int
		code       chat.Code
		retryAfter string
	}{
		{chat.Errorf(chat.CodeBadFrame, "x"), 400, chat.CodeBadFrame, ""},
		{chat.Errorf(chat.CodeBadRequest, "x"), 400, chat.CodeBadRequest, ""},
		{chat.Errorf(chat.CodeUnauthenticated, "x"), 401, chat.CodeUnauthenticated, ""},
		{chat.Errorf(chat.CodeForbidden, "x"), 403, chat.CodeForbidden, ""},
		{chat.Errorf(chat.CodeNotFound, "x"), 404, chat.CodeNotFound, ""},
		{chat.Errorf(chat.CodeCMIDConflict, "x"), 409, chat.CodeCMIDConflict, ""},
		{chat.Errorf(chat.CodeTooLarge, "x"), 413, chat.CodeTooLarge, ""},
		{&chat.Error{Code: chat.CodeRateLimited, Message: "x", RetryAfter: 1500 * time.Millisecond}, 429, chat.CodeRateLimited, "2"},
		{chat.Errorf(chat.CodeRateLimited, "x"), 429, chat.CodeRateLimited, "1"},
		{chat.Errorf(chat.CodeInternal, "x"), 500, chat.CodeInternal, ""},
		{chat.Unavailable("x"), 503, chat.CodeUnavailable, "1"},
		{fmt.Errorf("read members: %w", secret), 503, chat.CodeUnavailable, "1"},
		{fmt.Errorf("read members: %w", chat.Errorf(chat.CodeForbidden, "x")), 403, chat.CodeForbidden, ""},
		{context.DeadlineExceeded, 503, chat.CodeUnavailable, "1"},
	} {
		w := httptest.NewRecorder()
		Error(w, c.err)
		p := problemOf(t, w)
		if p.Status != c.status || p.Code != c.code || w.Header().Get("Retry-After") != c.retryAfter {
			t.Errorf("%v: %+v, Retry-After %q", c.err, p, w.Header().Get("Retry-After"))
		}
		if (p.RetryAfterMS > 0) != (c.retryAfter != "") {
			t.Errorf("%v: retry_after_ms %d, Retry-After %q", c.err, p.RetryAfterMS, c.retryAfter)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("the cause leaks: %s", w.Body)
		}
		if (c.status == 401) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%v: WWW-Authenticate %q", c.err, w.Header().Get("WWW-Authenticate"))
		}
	}
}

func TestAuthentication(t *testing.T) {
	api := &API{Verifier: tokens{"good": {NS: "_", User: "alice"}}}
	h := api.Handle(func(w http.ResponseWriter, _ *http.Request, id auth.Identity) error {
		JSON(w, 200, map[string]string{"user": string(id.User)})
		return nil
	})
	for _, c := range []struct {
		header    []string
		status    int
		challenge string
	}{
		{[]string{"Bearer good"}, 200, ""},
		{[]string{"bearer good"}, 200, ""},
		{nil, 401, `Bearer realm="parley"`},
		{[]string{"Basic Z29vZA=="}, 401, `Bearer realm="parley"`},
		{[]string{"Bearer bad"}, 401, `Bearer realm="parley", error="invalid_token"`},
		{[]string{"Bearer"}, 401, `Bearer realm="parley", error="invalid_token"`},
		{[]string{"Bearer good", "Bearer good"}, 401, `Bearer realm="parley", error="invalid_token"`},
	} {
		w := get(h, func(r *http.Request) { r.Header["Authorization"] = c.header })
		if w.Code != c.status || w.Header().Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%q: %d, challenge %q", c.header, w.Code, w.Header().Get("WWW-Authenticate"))
		}
		if c.status != 200 {
			problemOf(t, w)
		} else if w.Body.String() != `{"user":"alice"}` {
			t.Errorf("%q: %s", c.header, w.Body)
		}
	}
	if w := get(h, func(r *http.Request) { r.URL.RawQuery = "access_token=good&token=good" }); w.Code != 401 {
		t.Errorf("a token in the URL: %d", w.Code)
	}
}

func authorized(r *http.Request) { r.Header.Set("Authorization", "Bearer good") }

func TestHandleEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &API{Verifier: tokens{"good": {}}}
		h := api.Handle(func(_ http.ResponseWriter, r *http.Request, _ auth.Identity) error {
			<-r.Context().Done()
			return fmt.Errorf("read: %w", r.Context().Err())
		})
		start := time.Now()
		if p := problemOf(t, get(h, authorized)); p.Code != chat.CodeUnavailable {
			t.Errorf("%+v", p)
		}
		if took := time.Since(start); took != DefaultTimeout {
			t.Errorf("took %v", took)
		}
	})
}

func TestPanicIsInternal(t *testing.T) {
	var log strings.Builder
	api := &API{Verifier: tokens{"good": {}}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	h := api.Handle(func(http.ResponseWriter, *http.Request, auth.Identity) error { panic("a secret") })
	w := get(h, authorized)
	if p := problemOf(t, w); p.Code != chat.CodeInternal || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%s", w.Body)
	}
	if !strings.Contains(log.String(), "a secret") {
		t.Errorf("log %q", log.String())
	}
}

func TestCauseIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	api := &API{Verifier: tokens{"good": {}}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	answer := error(chat.Errorf(chat.CodeNotFound, "no such thing"))
	h := api.Handle(func(http.ResponseWriter, *http.Request, auth.Identity) error { return answer })
	if get(h, authorized); log.Len() > 0 {
		t.Errorf("a client's error is logged: %s", log.String())
	}
	answer = errors.New("the disk is full")
	if get(h, authorized); strings.Count(log.String(), "the disk is full") != 1 {
		t.Errorf("log %q", log.String())
	}
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		query string
		ok    bool
		seq   int64 // -1: nil
		limit int
	}{
		{"", true, -1, 0},
		{"before=7&limit=20&unknown=%20", true, 7, 20},
		{"before=0", true, 0, 0},
		{"before=9007199254740991", true, 9007199254740991, 0},
		{"before=9007199254740992", false, 0, 0},
		{"before=99999999999999999999", false, 0, 0},
		{"before=-1", false, 0, 0},
		{"before=%2B1", false, 0, 0},
		{"before=1.0", false, 0, 0},
		{"before=1e3", false, 0, 0},
		{"before=0x1", false, 0, 0},
		{"before=", false, 0, 0},
		{"before", false, 0, 0},
		{"before=1&before=2", false, 0, 0},
		{"limit=0", false, 0, 0},
		{"limit=200", true, -1, 200},
		{"limit=201", false, 0, 0},
		{"limit=abc", false, 0, 0},
		{"limit=%zz", false, 0, 0},
		{"a;b", false, 0, 0},
	} {
		q := ParseQuery(&http.Request{URL: &url.URL{RawQuery: c.query}})
		seq, limit := q.Seq("before"), q.Int("limit", 1, 200)
		err := q.Err()
		var e *chat.Error
		if c.ok != (err == nil) || !c.ok && (!errors.As(err, &e) || e.Code != chat.CodeBadRequest) {
			t.Errorf("%q: %v", c.query, err)
		}
		if c.ok && (limit != c.limit || (seq == nil) != (c.seq < 0) || seq != nil && int64(*seq) != c.seq) {
			t.Errorf("%q: %v, limit %d", c.query, seq, limit)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct{ raw, path, value, user string }{
		{"", "/alice@x.org", "alice@x.org", "alice@x.org"},
		{"/alice%40x.org", "/alice@x.org", "alice%40x.org", "alice@x.org"},
		{"", "/a+b", "a+b", "a+b"},
		{"/a%2Bb", "/a+b", "a%2Bb", "a+b"},
		{"", "/a%40b", "a%40b", ""}, // %2540: decoded once, not twice
		{"/a%2Fb", "/a/b", "a%2Fb", ""},
		{"/a%zz", "/a", "a%zz", ""},
	} {
		r := &http.Request{URL: &url.URL{Path: c.path, RawPath: c.raw}}
		r.SetPathValue("user", c.value)
		user, err := PathUser(r, "user")
		if string(user) != c.user || (err == nil) != (c.user != "") {
			t.Errorf("%q: %q, %v", c.value, user, err)
		}
	}
	r := &http.Request{URL: &url.URL{}}
	r.SetPathValue("conv", "g_../x")
	r.SetPathValue("device", "a b")
	if _, err := PathConv(r, "conv"); Status(chat.AsError(err).Code) != 404 {
		t.Errorf("conversation: %v", err)
	}
	if _, err := PathDevice(r, "device"); Status(chat.AsError(err).Code) != 400 {
		t.Errorf("device: %v", err)
	}
	r.SetPathValue("conv", "g_abcdefghijklmnop")
	r.SetPathValue("device", "phone-1")
	conv, convErr := PathConv(r, "conv")
	device, deviceErr := PathDevice(r, "device")
	if conv != "g_abcdefghijklmnop" || device != "phone-1" || convErr != nil || deviceErr != nil {
		t.Errorf("%q %v, %q %v", conv, convErr, device, deviceErr)
	}
}

func TestReadJSON(t *testing.T) {
	for _, c := range []struct {
		body string
		code chat.Code
	}{
		{`{"title":"x"}`, ""},
		{`{"title":"x"} `, ""},
		{`{"title":1}`, chat.CodeBadRequest},
		{`{"other":1}`, chat.CodeBadRequest},
		{`[]`, chat.CodeBadFrame},
		{`null`, chat.CodeBadFrame},
		{`"title"`, chat.CodeBadFrame},
		{`{"other":1}{"title":"x"}`, chat.CodeBadFrame},
		{`{"other":1,"other":2}`, chat.CodeBadFrame},
		{`{"title":1,"other":{"a":1,"a":2}}`, chat.CodeBadFrame},
		{`{"title":1`, chat.CodeBadFrame},
		{"{\"other\":\"\xff\"}", chat.CodeBadFrame},
		{`{"title":1,"other":` + strings.Repeat("[", 40), chat.CodeBadFrame},
		{``, chat.CodeBadFrame},
		{`{"title":"x"}{}`, chat.CodeBadFrame},
		{`{"title":"x","title":"y"}`, chat.CodeBadFrame},
		{"{\"title\":\"\xff\"}", chat.CodeBadFrame},
		{`{"title":"` + strings.Repeat("x", 100) + `"}`, chat.CodeTooLarge},
	} {
		var v struct {
			Title string `json:"title"`
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
		err := ReadJSON(httptest.NewRecorder(), r, 64, &v)
		var e *chat.Error
		if c.code == "" && (err != nil || v.Title != "x") || c.code != "" && (!errors.As(err, &e) || e.Code != c.code) {
			t.Errorf("%.40q: %v, %+v", c.body, err, v)
		}
	}
}

func TestOrigins(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { JSON(w, 200, "ok") })
	for _, c := range []struct {
		origins Origins
		origin  string
		allowed bool
	}{
		{nil, "", true},
		{nil, "https://chat.example", true},
		{nil, "https://CHAT.example", true},
		{nil, "https://evil.example", false},
		{nil, "https://chat.example.evil.example", false},
		{nil, "null", false},
		{nil, "://", false},
		{Origins{"app.example"}, "https://app.example", true},
		{Origins{"*.app.example"}, "https://a.app.example", true},
		{Origins{"*.app.example"}, "https://app.example.evil", false},
		{Origins{"https://app.example"}, "http://app.example", false},
		{Origins{"https://app.example"}, "https://app.example", true},
		{Origins{"app.example"}, "https://app.example:444", false},
	} {
		h := c.origins.Handler(next)
		set := func(r *http.Request) {
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
		}
		w := get(h, set)
		if (w.Code == 200) != c.allowed || c.allowed && w.Header().Get("Access-Control-Allow-Origin") != c.origin {
			t.Errorf("%q, origin %q: %d, %v", c.origins, c.origin, w.Code, w.Header())
		}
		if !c.allowed && (problemOf(t, w).Code != chat.CodeForbidden || w.Header().Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("%q, origin %q: %v", c.origins, c.origin, w.Header())
		}
		if c.origin == "" {
			continue
		}
		preflight := get(h, func(r *http.Request) {
			set(r)
			r.Method = "OPTIONS"
			r.Header.Set("Access-Control-Request-Method", "GET")
		})
		if (preflight.Code == 204) != c.allowed {
			t.Errorf("%q, preflight of %q: %d", c.origins, c.origin, preflight.Code)
		}
	}
	if err := (Origins{"a", "[x"}).Check(); err == nil || !strings.Contains(err.Error(), `"[x"`) {
		t.Errorf("%v", err)
	}
	if err := (Origins{"a", "*.b"}).Check(); err != nil {
		t.Error(err)
	}
}
