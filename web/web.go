// Package web is the chat in the browser, as files to be served: what the build of
// web/app has put into web/app/dist. It stands beside the path of a message; nothing
// in it knows of conversations.
//
// The build is not in the repository. Without it the package has one page, which
// says how to make it.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:app/dist
var dist embed.FS

const (
	indexFile       = "index.html"
	placeholderFile = "placeholder.html"
	assetsFolder    = "assets/" // names in it carry a hash of the content
)

// Options configure an [App]. The zero value serves what is embedded, for a server
// that keeps attachments itself.
type Options struct {
	// Files is served in place of the embedded build.
	Files fs.FS
	// MediaOrigins are where browsers fetch and put attachments, if not at this
	// server: "https://s3.example.com".
	MediaOrigins []string
}

// App is an http.Handler of the chat's files. It answers GET and HEAD of the paths
// that [App.Has] names, and 404 for all others.
type App struct {
	files map[string]*file // by path with a leading slash
	csp   string
	built bool
}

// file is one file in the encodings that the build made. Nothing in it changes.
type file struct {
	contentType  string
	cacheControl string
	raw          form
	gzip, brotli form // without a body: not worth it
}

// form is a file in one encoding, with the ETag that says so.
type form struct {
	body []byte
	tag  string
}

func newForm(body []byte) form {
	sum := sha256.Sum256(body)
	return form{body: body, tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// New reads the files. It fails if there is neither a build nor the page that stands
// in for one.
func New(o Options) (*App, error) {
	if o.Files == nil {
		sub, err := fs.Sub(dist, "app/dist")
		if err != nil {
			return nil, fmt.Errorf("open the embedded files: %w", err)
		}
		o.Files = sub
	}
	a := &App{files: map[string]*file{}, csp: policy(o.MediaOrigins)}
	if err := a.load(o.Files); err != nil {
		return nil, err
	}
	front := indexFile
	if _, a.built = a.files["/"+indexFile]; !a.built {
		front = placeholderFile
	}
	page, ok := a.files["/"+front]
	if !ok {
		return nil, errors.New("neither the chat nor its placeholder is among the files")
	}
	delete(a.files, "/"+indexFile)
	delete(a.files, "/"+placeholderFile)
	a.files["/"] = page
	return a, nil
}

func (a *App) load(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		plain := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".br")
		f := a.files["/"+plain]
		if f == nil {
			f = &file{contentType: contentType(plain), cacheControl: "no-cache"}
			if strings.HasPrefix(plain, assetsFolder) {
				f.cacheControl = "public, max-age=31536000, immutable"
			}
			a.files["/"+plain] = f
		}
		switch path.Ext(name) {
		case ".gz":
			f.gzip = newForm(body)
		case ".br":
			f.brotli = newForm(body)
		default:
			f.raw = newForm(body)
		}
		return nil
	})
}

// Built tells whether the chat itself is there, and not only its placeholder.
func (a *App) Built() bool { return a.built }

// Has tells whether a path is one of the chat's: "/" and what the page asks for.
func (a *App) Has(path string) bool { return a.files[path] != nil }

func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := a.files[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "these are files: GET them", http.StatusMethodNotAllowed)
		return
	}
	out, encoding := f.in(r.Header.Get("Accept-Encoding"))
	a.headers(w.Header(), f)
	h := w.Header()
	h.Set("ETag", out.tag)
	if has(r.Header.Get("If-None-Match"), out.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(out.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(out.body) // a client that goes away is nobody's business
	}
}

func (a *App) headers(h http.Header, f *file) {
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cacheControl)
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // for pages that embed the chat
	if strings.HasPrefix(f.contentType, "text/javascript") {
		h.Set("Access-Control-Allow-Origin", "*") // a module from another origin is asked for with CORS
	}
	if strings.HasPrefix(f.contentType, "text/html") {
		h.Set("Content-Security-Policy", a.csp)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	}
}

// has reads If-None-Match (RFC 9110, 13.1.2). What a proxy has packed anew has a weak tag.
func has(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == tag || part == "*" {
			return true
		}
	}
	return false
}

// in returns the best encoding that a client takes.
func (f *file) in(accept string) (out form, encoding string) {
	switch {
	case f.brotli.body != nil && accepts(accept, "br"):
		return f.brotli, "br"
	case f.gzip.body != nil && accepts(accept, "gzip"):
		return f.gzip, "gzip"
	}
	return f.raw, ""
}

// accepts reads Accept-Encoding (RFC 9110, 12.5.3) as far as it matters: a coding
// that is named, or meant by *, and not by q=0.
func accepts(header, coding string) bool {
	star := false
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(params), "=")
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		wanted := !strings.EqualFold(strings.TrimSpace(key), "q") || err != nil || q > 0
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, coding):
			return wanted
		case name == "*":
			star = wanted
		}
	}
	return star
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// policy is the page's Content-Security-Policy: its own files, no inline script or
// style, no HTML from strings. connect-src 'self' takes in the WebSocket of the same host.
func policy(media []string) string {
	more := ""
	for _, origin := range media {
		more += " " + origin
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"connect-src 'self'" + more,
		"img-src 'self' blob: data:" + more,
		"media-src 'self' blob:" + more,
		"manifest-src 'self'",
		"font-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
}
