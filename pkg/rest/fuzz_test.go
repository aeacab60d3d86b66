package rest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/pkg/wire/hostile"
)

// FuzzRequest: whatever a request has in its path, query and body, each part is read
// as what it should be, or refused as the client's mistake.
func FuzzRequest(f *testing.F) {
	for _, text := range hostile.Texts {
		f.Add(url.PathEscape(text), "before="+url.QueryEscape(text)+"&limit=5", `{"title":`+hostile.Quoted(text)+`}`)
	}
	f.Add("a%2Fb%40c", "before=1&before=2", `{"title":"x","title":"y"}`)
	f.Add("%zz", "limit=9007199254740993;a", `[`)
	f.Fuzz(func(t *testing.T, path, query, body string) {
		u, err := url.Parse("/" + path)
		if err != nil {
			return
		}
		u.RawQuery = query
		r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(body)))
		r.URL = u
		r.SetPathValue("x", strings.TrimPrefix(u.EscapedPath(), "/"))
		mistake := func(what string, err error) bool {
			var e *chat.Error
			if err != nil && (!errors.As(err, &e) || Status(e.Code)/100 != 4) {
				t.Fatalf("%s: %v", what, err)
			}
			return err != nil
		}
		if user, err := PathUser(r, "x"); !mistake("user", err) && !user.Valid() {
			t.Fatalf("user %q", user)
		}
		if conv, err := PathConv(r, "x"); !mistake("conv", err) && !conv.Valid() {
			t.Fatalf("conversation %q", conv)
		}
		if device, err := PathDevice(r, "x"); !mistake("device", err) && !device.Valid() {
			t.Fatalf("device %q", device)
		}
		if seq, err := PathSeq(r, "x"); !mistake("seq", err) && (seq < 1 || seq > chat.MaxSeq) {
			t.Fatalf("seq %d", seq)
		}
		q := ParseQuery(r)
		seq, limit := q.Seq("before"), q.Int("limit", 1, 200)
		if err := q.Err(); !mistake("query", err) && (seq != nil && (*seq < 0 || *seq > chat.MaxSeq) || limit < 0 || limit > 200) {
			t.Fatalf("%q: %v, %d", query, seq, limit)
		}
		var in wire.NewGroup
		mistake("body", ReadJSON(httptest.NewRecorder(), r, 1<<10, &in))
	})
}

// FuzzOrigin: no Origin is allowed that is not of the host, or of an allowed one.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://chat.example", "https://a.app.example", "null", "https://evil.example/.app.example", "https://chat.example@evil", "http://[::1]:80",
		"//.app.example", "https://.app.example#", "https://\u017fecure.example"} {
		f.Add(s)
	}
	allowed := Origins{"*.app.example", "https://secure.example"}
	f.Fuzz(func(t *testing.T, origin string) {
		r := &http.Request{Host: "chat.example", Header: http.Header{"Origin": {origin}}}
		if origin == "" || !allowed.Allow(r) {
			return
		}
		scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
		web := scheme == "https" || scheme == "http"
		if ok && (host == "chat.example" && web || host == "secure.example" && scheme == "https" ||
			web && strings.HasSuffix(host, ".app.example") && !strings.ContainsAny(host, "/?#@:\\ ")) {
			return
		}
		t.Fatalf("%q is allowed", origin)
	})
}
