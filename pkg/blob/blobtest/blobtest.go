// Package blobtest is the contract of [blob.Store] as tests. Every adapter runs
// the same suite.
package blobtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/blob"
)

// Fixture is what a test is given.
type Fixture struct {
	blob.Store
	Base *url.URL // what the URLs of requests are relative to
	// Forward moves the store's clock; the requests that it serves expire by it.
	Forward func(time.Duration)
}

// Run runs the suite. Each test calls open once.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"put and get":       putAndGet,
		"replace":           replace,
		"copy":              copied,
		"delete":            deleted,
		"names":             names,
		"context":           ended,
		"presigned put":     presignedPut,
		"presigned get":     presignedGet,
		"forged requests":   forged,
		"requests expire":   expire,
		"a range of a file": ranges,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func name() string { return "at/" + strings.ToLower(rand.Text()) }

func read(t *testing.T, s blob.Store, name string, n int64) string {
	t.Helper()
	r, err := s.Get(t.Context(), name, n)
	ok(t, err)
	data, err := io.ReadAll(r)
	ok(t, errors.Join(err, r.Close()))
	return string(data)
}

func put(t *testing.T, s blob.Store, name, data string) blob.Info {
	t.Helper()
	ok(t, s.Put(t.Context(), name, []byte(data)))
	info, err := s.Head(t.Context(), name)
	ok(t, err)
	if info.Size != int64(len(data)) || info.Tag == "" {
		t.Fatalf("head of %d bytes: %+v", len(data), info)
	}
	return info
}

func absent(t *testing.T, s blob.Store, name string) {
	t.Helper()
	_, err := s.Head(t.Context(), name)
	is(t, err, blob.ErrNotFound)
	_, err = s.Get(t.Context(), name, 1)
	is(t, err, blob.ErrNotFound)
}

func putAndGet(t *testing.T, f Fixture) {
	n := name()
	absent(t, f, n)
	put(t, f, n, "0123456789")
	for limit, want := range map[int64]string{1: "0", 9: "012345678", 10: "0123456789", 1000: "0123456789"} {
		if got := read(t, f, n, limit); got != want {
			t.Errorf("first %d bytes: %q", limit, got)
		}
	}
	absent(t, f, n+"-other")
}

func replace(t *testing.T, f Fixture) {
	n := name()
	first := put(t, f, n, "first")
	second := put(t, f, n, "other")
	if first.Tag == second.Tag {
		t.Errorf("both have the tag %q", first.Tag)
	}
	if got := read(t, f, n, 100); got != "other" {
		t.Errorf("got %q", got)
	}
}

func copied(t *testing.T, f Fixture) {
	from, to := name(), name()
	is(t, f.Copy(t.Context(), from, "tag", to), blob.ErrNotFound)
	old := put(t, f, from, "old bytes")
	info := put(t, f, from, "new bytes")
	is(t, f.Copy(t.Context(), from, old.Tag, to), blob.ErrChanged)
	absent(t, f, to)
	for range 2 { // it may be repeated
		ok(t, f.Copy(t.Context(), from, info.Tag, to))
		if got := read(t, f, to, 100); got != "new bytes" {
			t.Errorf("got %q", got)
		}
	}
	put(t, f, from, "newer")
	if got := read(t, f, to, 100); got != "new bytes" {
		t.Errorf("the copy has changed with what it was made from: %q", got)
	}
	ok(t, f.Delete(t.Context(), from))
	if got := read(t, f, to, 100); got != "new bytes" {
		t.Errorf("got %q", got)
	}
}

func deleted(t *testing.T, f Fixture) {
	n := name()
	ok(t, f.Delete(t.Context(), n))
	put(t, f, n, "x")
	ok(t, f.Delete(t.Context(), n))
	absent(t, f, n)
	ok(t, f.Delete(t.Context(), n))
	put(t, f, n, "again")
}

func names(t *testing.T, f Fixture) {
	for _, bad := range []string{"", "/", "a/", "/a", "a//b", "..", "a/../b", "A", "a b", "a%2f", "ä", "a\x00", strings.Repeat("a", 201)} {
		_, errHead := f.Head(t.Context(), bad)
		_, errGet := f.Get(t.Context(), bad, 1)
		_, errPresignPut := f.PresignPut(bad, 1, time.Minute)
		_, errPresignGet := f.PresignGet(bad, blob.Download{}, time.Minute)
		for _, err := range []error{errHead, errGet, errPresignPut, errPresignGet, f.Put(t.Context(), bad, []byte("x")),
			f.Delete(t.Context(), bad), f.Copy(t.Context(), bad, "t", "a"), f.Copy(t.Context(), "a", "t", bad)} {
			if err == nil || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

func ended(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errHead := f.Head(ctx, "a")
	_, errGet := f.Get(ctx, "a", 1)
	for _, err := range []error{errHead, errGet, f.Put(ctx, "a", []byte("x")), f.Copy(ctx, "a", "t", "b"), f.Delete(ctx, "a")} {
		is(t, err, context.Canceled)
	}
}

// do carries out a request as a client does.
func (f Fixture) do(t *testing.T, r blob.Request, body string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	u, err := f.Base.Parse(r.URL)
	ok(t, err)
	req, err := http.NewRequestWithContext(t.Context(), r.Method, u.String(), strings.NewReader(body))
	ok(t, err)
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	if change != nil {
		change(req)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	ok(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	ok(t, err)
	return res, string(data)
}

func presignedPut(t *testing.T, f Fixture) {
	n, before := name(), time.Now()
	r, err := f.PresignPut(n, 5, time.Minute)
	ok(t, err)
	if r.Method != http.MethodPut || r.Expires.Before(before.Add(50*time.Second)) || r.Expires.After(time.Now().Add(70*time.Second)) {
		t.Errorf("%s, made after %v, expires at %v", r.Method, before, r.Expires)
	}
	if res, body := f.do(t, r, "longer than that", nil); res.StatusCode < 400 || res.StatusCode >= 500 {
		t.Errorf("too many bytes: %d %s", res.StatusCode, body)
	}
	if res, body := f.do(t, r, "less", nil); res.StatusCode < 400 || res.StatusCode >= 500 {
		t.Errorf("too few bytes: %d %s", res.StatusCode, body)
	}
	absent(t, f, n)
	res, body := f.do(t, r, "right", func(r *http.Request) { r.Header.Set("Content-Type", "text/html") })
	if res.StatusCode != http.StatusOK {
		t.Fatalf("put: %d %s", res.StatusCode, body)
	}
	if got := read(t, f, n, 100); got != "right" {
		t.Errorf("got %q", got)
	}
	if _, err := f.PresignPut(n, 0, time.Minute); err == nil {
		t.Error("nothing may be uploaded")
	}
}

func presignedGet(t *testing.T, f Fixture) {
	n := name()
	d := blob.Download{Type: "image/png", Disposition: `inline; filename*=UTF-8''a%20%22b%22.png`}
	r, err := f.PresignGet(n, d, time.Minute)
	ok(t, err)
	if res, _ := f.do(t, r, "", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("nothing is there: %d", res.StatusCode)
	}
	put(t, f, n, "<html>")
	res, body := f.do(t, r, "", nil)
	if res.StatusCode != http.StatusOK || body != "<html>" {
		t.Fatalf("get: %d %q", res.StatusCode, body)
	}
	if got := res.Header.Get("Content-Type"); got != d.Type {
		t.Errorf("content type %q", got)
	}
	if got := res.Header.Get("Content-Disposition"); got != d.Disposition {
		t.Errorf("content disposition %q", got)
	}
}

func forged(t *testing.T, f Fixture) {
	n, other := name(), name()
	put(t, f, n, "mine")
	put(t, f, other, "other's")
	get, err := f.PresignGet(n, blob.Download{Type: "image/png"}, time.Minute)
	ok(t, err)
	upload, err := f.PresignPut(n, 4, time.Minute)
	ok(t, err)
	elsewhere := func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, n, other, 1) }
	for what, change := range map[string]func(*http.Request){
		"another object":  elsewhere,
		"another method":  func(r *http.Request) { r.Method = http.MethodDelete },
		"no signature":    func(r *http.Request) { r.URL.RawQuery = "" },
		"another type":    func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "png", "svg", 1) },
		"later":           func(r *http.Request) { r.URL.RawQuery = later(r.URL.Query()) },
		"put for get":     func(r *http.Request) { r.Method = http.MethodPut },
		"one more":        func(r *http.Request) { r.URL.RawQuery += "&versionId=1" },
		"named twice":     func(r *http.Request) { r.URL.RawQuery += "&" + r.URL.RawQuery },
		"parent, encoded": func(r *http.Request) { r.URL.Path += "/../" + other },
	} {
		if res, body := f.do(t, get, "", change); res.StatusCode < 400 || body == "mine" || body == "other's" {
			t.Errorf("%s: %d %q", what, res.StatusCode, body)
		}
	}
	if res, _ := f.do(t, upload, "evil", elsewhere); res.StatusCode < 400 {
		t.Errorf("upload elsewhere: %d", res.StatusCode)
	}
	if res, body := f.do(t, upload, "", func(r *http.Request) { r.Method = http.MethodGet }); res.StatusCode < 400 {
		t.Errorf("get by put: %d %q", res.StatusCode, body)
	}
	for n, want := range map[string]string{n: "mine", other: "other's"} {
		if got := read(t, f, n, 100); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

// later makes a signed query expire later.
func later(q url.Values) string {
	for k, v := range q {
		switch strings.ToLower(k) {
		case "x-amz-expires", "e":
			q.Set(k, v[0]+"0")
		}
	}
	return q.Encode()
}

func expire(t *testing.T, f Fixture) {
	n := name()
	put(t, f, n, "x")
	get, err := f.PresignGet(n, blob.Download{}, 10*time.Minute)
	ok(t, err)
	upload, err := f.PresignPut(n, 1, 10*time.Minute)
	ok(t, err)
	f.Forward(8 * time.Minute) // which leaves two for what is asked in time
	if res, body := f.do(t, get, "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("get in time: %d %s", res.StatusCode, body)
	}
	if res, body := f.do(t, upload, "y", nil); res.StatusCode != http.StatusOK {
		t.Errorf("put in time: %d %s", res.StatusCode, body)
	}
	f.Forward(4 * time.Minute)
	if res, _ := f.do(t, get, "", nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("get too late: %d", res.StatusCode)
	}
	if res, _ := f.do(t, upload, "z", nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("put too late: %d", res.StatusCode)
	}
	if got := read(t, f, n, 1); got != "y" {
		t.Errorf("got %q", got)
	}
}

func ranges(t *testing.T, f Fixture) {
	n := name()
	put(t, f, n, string(bytes.Repeat([]byte("0123456789"), 1000)))
	get, err := f.PresignGet(n, blob.Download{Type: "video/mp4"}, time.Minute)
	ok(t, err)
	res, body := f.do(t, get, "", func(r *http.Request) { r.Header.Set("Range", "bytes=5003-5006") })
	if res.StatusCode != http.StatusPartialContent || body != "3456" {
		t.Errorf("range: %d %q", res.StatusCode, body)
	}
}
