package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func build() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"index.html":              file("<!doctype html>page"),
		"index.html.gz":           file("page, packed"),
		"placeholder.html":        file("not built"),
		"favicon.svg":             file("<svg/>"),
		"manifest.webmanifest":    file("{}"),
		"assets/app-1a2b.js":      file("plain"),
		"assets/app-1a2b.js.gz":   file("gzip"),
		"assets/app-1a2b.js.br":   file("brotli"),
		"assets/app-1a2b.css":     file("css"),
		"embed/parley-chat.js":    file("embed"),
		"embed/parley-chat.js.gz": file("embed, packed"),
		".hidden":                 file("nobody's business"),
	}
}

func open(t *testing.T, files fs.FS) *App {
	t.Helper()
	a, err := New(Options{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ask(a *App, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestEncodings(t *testing.T) {
	a := open(t, build())
	for _, tc := range []struct{ path, accept, encoding, body string }{
		{"/assets/app-1a2b.js", "gzip, deflate, br, zstd", "br", "brotli"},
		{"/assets/app-1a2b.js", "gzip", "gzip", "gzip"},
		{"/assets/app-1a2b.js", "GZIP;q=0.5", "gzip", "gzip"},
		{"/assets/app-1a2b.js", "br;q=0, gzip", "gzip", "gzip"},
		{"/assets/app-1a2b.js", "br; q=0.0, *;q=0", "", "plain"},
		{"/assets/app-1a2b.js", "*", "br", "brotli"},
		{"/assets/app-1a2b.js", "brotli", "", "plain"},
		{"/assets/app-1a2b.js", "", "", "plain"},
		{"/assets/app-1a2b.css", "br, gzip", "", "css"},
		{"/", "br, gzip", "gzip", "page, packed"},
	} {
		w := ask(a, "GET", tc.path, tc.accept)
		if w.Code != 200 || w.Body.String() != tc.body || w.Header().Get("Content-Encoding") != tc.encoding {
			t.Errorf("%s, %q: %d %q in %q", tc.path, tc.accept, w.Code, w.Body, w.Header().Get("Content-Encoding"))
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: a cache could give it to somebody who cannot read it", tc.path)
		}
	}
}

func TestHeaders(t *testing.T) {
	a := open(t, build())
	for path, want := range map[string]struct{ contentType, cache string }{
		"/":                     {"text/html; charset=utf-8", "no-cache"},
		"/favicon.svg":          {"image/svg+xml", "no-cache"},
		"/manifest.webmanifest": {"application/manifest+json", "no-cache"},
		"/assets/app-1a2b.js":   {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"/assets/app-1a2b.css":  {"text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		"/embed/parley-chat.js": {"text/javascript; charset=utf-8", "no-cache"},
	} {
		h := ask(a, "GET", path, "").Header()
		if h.Get("Content-Type") != want.contentType || h.Get("Cache-Control") != want.cache || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestWhatIsStillGoodIsNotSentAgain(t *testing.T) {
	a := open(t, build())
	get := func(path, accept, have string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept-Encoding", accept)
		r.Header.Set("If-None-Match", have)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/", "/embed/parley-chat.js", "/favicon.svg"} {
		plain, packed := get(path, "", "").Header().Get("ETag"), get(path, "gzip", "").Header().Get("ETag")
		if plain == "" || (path != "/favicon.svg" && packed == plain) {
			t.Errorf("%s: tags %s, %s", path, plain, packed)
		}
		for _, have := range []string{packed, `"other", W/` + packed, "*"} {
			w := get(path, "gzip", have)
			if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Content-Encoding") != "" {
				t.Errorf("%s, %s: %d %v", path, have, w.Code, w.Header())
			}
		}
		if w := get(path, "gzip", `"other"`); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d to who has another", path, w.Code)
		}
	}
}

func TestPolicyLetsNothingInline(t *testing.T) {
	csp := ask(open(t, build()), "GET", "/", "").Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self';", "img-src 'self' blob: data:;", "require-trusted-types-for 'script'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp+";", part) {
			t.Errorf("%s is not in %s", part, csp)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Error(csp)
	}
}

func TestMediaOrigins(t *testing.T) {
	a, err := New(Options{Files: build(), MediaOrigins: []string{"https://s3.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	csp := ask(a, "GET", "/", "").Header().Get("Content-Security-Policy")
	for _, part := range []string{"connect-src 'self' https://s3.example.com", "img-src 'self' blob: data: https://s3.example.com"} {
		if !strings.Contains(csp, part) {
			t.Errorf("%s is not in %s", part, csp)
		}
	}
}

func TestOnlyItsOwnPaths(t *testing.T) {
	a := open(t, build())
	for _, path := range []string{"/index.html", "/placeholder.html", "/.hidden", "/index.html.gz", "/assets/app-1a2b.js.br", "/assets/", "/v1/conversations", "/../web.go", "//"} {
		if a.Has(path) {
			t.Errorf("has %s", path)
		}
	}
	if w := ask(a, "GET", "/nothing", ""); w.Code != 404 {
		t.Errorf("a foreign path: %d", w.Code)
	}
	if w := ask(a, "POST", "/", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := ask(a, "HEAD", "/", ""); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d, %d bytes, %v", w.Code, w.Body.Len(), w.Header())
	}
}

func TestWithoutBuild(t *testing.T) {
	files := build()
	delete(files, "index.html")
	delete(files, "index.html.gz")
	a := open(t, files)
	if w := ask(a, "GET", "/", "gzip"); a.Built() || w.Code != 200 || w.Body.String() != "not built" {
		t.Fatalf("built %v: %d %s", a.Built(), w.Code, w.Body)
	}
	if _, err := New(Options{Files: fstest.MapFS{}}); err == nil {
		t.Fatal("an app of no files")
	}
}

// What is committed must be enough for a build without Node.
func TestEmbedded(t *testing.T) {
	a, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := ask(a, "GET", "/", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "<title>Parley</title>") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page, err := dist.ReadFile("app/dist/placeholder.html")
	if err != nil || !strings.Contains(string(page), "make web") {
		t.Fatalf("the placeholder does not say how to build the chat: %v", err)
	}
}
