package diskblob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
)

// grant is what a signature allows.
type grant struct {
	method  string
	name    string
	expires int64 // Unix s
	size    int64 // PUT
	blob.Download
}

// sign is the HMAC of a grant. Every part is preceded by its length, so that no
// two grants run together.
func (s *Store) sign(g grant) string {
	mac := hmac.New(sha256.New, s.opts.Secret)
	for _, part := range []string{"parley blob 1", g.method, g.name, strconv.FormatInt(g.expires, 10), strconv.FormatInt(g.size, 10), g.Type, g.Disposition} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// The parameters of a signed URL.
const (
	paramExpires     = "e"
	paramSize        = "n"
	paramType        = "t"
	paramDisposition = "d"
	paramSignature   = "s"
)

func (s *Store) presign(g grant, ttl time.Duration) (blob.Request, error) {
	if err := blob.CheckName(g.name); err != nil {
		return blob.Request{}, wrap("presign", err)
	}
	expires := s.opts.Now().Add(ttl)
	g.expires = expires.Unix()
	q := url.Values{paramExpires: {strconv.FormatInt(g.expires, 10)}, paramSignature: {s.sign(g)}}
	if g.method == http.MethodPut {
		q.Set(paramSize, strconv.FormatInt(g.size, 10))
	} else {
		q.Set(paramType, g.Type)
		q.Set(paramDisposition, g.Disposition)
	}
	return blob.Request{Method: g.method, URL: s.opts.Path + g.name + "?" + q.Encode(), Expires: expires}, nil
}

// PresignPut implements [blob.Presigner].
func (s *Store) PresignPut(name string, size int64, ttl time.Duration) (blob.Request, error) {
	if size < 1 {
		return blob.Request{}, wrap("presign", errors.New("an upload needs a size"))
	}
	return s.presign(grant{method: http.MethodPut, name: name, size: size}, ttl)
}

// PresignGet implements [blob.Presigner].
func (s *Store) PresignGet(name string, d blob.Download, ttl time.Duration) (blob.Request, error) {
	return s.presign(grant{method: http.MethodGet, name: name, Download: d}, ttl)
}

// Path is where the handler is to be mounted.
func (s *Store) Path() string { return s.opts.Path }

// verify reads what a request's signature allows.
func (s *Store) verify(r *http.Request) (grant, *chat.Error) {
	refused := chat.Errorf(chat.CodeForbidden, "the URL is not one that was given out, or has expired")
	name, mounted := strings.CutPrefix(r.URL.Path, s.opts.Path)
	q, err := url.ParseQuery(r.URL.RawQuery)
	if !mounted || err != nil || blob.CheckName(name) != nil {
		return grant{}, refused
	}
	g := grant{method: r.Method, name: name}
	if g.method == http.MethodHead {
		g.method = http.MethodGet
	}
	for k, v := range q {
		if len(v) != 1 {
			return grant{}, refused
		}
		switch k {
		case paramExpires:
			g.expires, err = strconv.ParseInt(v[0], 10, 64)
		case paramSize:
			g.size, err = strconv.ParseInt(v[0], 10, 64)
		case paramType:
			g.Type = v[0]
		case paramDisposition:
			g.Disposition = v[0]
		case paramSignature:
		default:
			return grant{}, refused
		}
		if err != nil {
			return grant{}, refused
		}
	}
	if !hmac.Equal([]byte(q.Get(paramSignature)), []byte(s.sign(g))) || s.opts.Now().Unix() > g.expires {
		return grant{}, refused
	}
	return g, nil
}

// ServeHTTP serves the requests that this store has signed, and needs no token.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut, http.MethodGet, http.MethodHead:
	default:
		rest.MethodNotAllowed(w, "GET, HEAD, PUT", "a file is uploaded with PUT and downloaded with GET")
		return
	}
	g, cerr := s.verify(r)
	if cerr != nil {
		rest.Error(w, cerr)
		return
	}
	if g.method == http.MethodPut {
		s.servePut(w, r, g)
		return
	}
	s.serveGet(w, r, g)
}

func (s *Store) servePut(w http.ResponseWriter, r *http.Request, g grant) {
	if r.ContentLength != g.size {
		rest.Error(w, chat.Errorf(chat.CodeBadRequest, "this URL takes %d bytes, with a Content-Length that says so", g.size))
		return
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		rest.Error(w, chat.Unavailable("too many uploads now; repeat this later"))
		return
	}
	deadline := time.Now().Add(rest.TransferTime(g.size))
	c := http.NewResponseController(w)
	// Where the connection cannot be given more time, the server's own bounds hold.
	_ = errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline.Add(time.Minute)))
	p, err := s.path(g.name)
	if err == nil {
		err = s.write(p, func(f *os.File) error {
			n, err := io.Copy(f, io.LimitReader(r.Body, g.size))
			if err == nil && n != g.size {
				err = io.ErrUnexpectedEOF
			}
			return err
		})
	}
	if err != nil {
		rest.Error(w, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Store) serveGet(w http.ResponseWriter, r *http.Request, g grant) {
	p, err := s.path(g.name)
	if err != nil {
		rest.Error(w, err)
		return
	}
	f, err := os.Open(p)
	if errors.Is(err, os.ErrNotExist) {
		rest.Error(w, chat.Errorf(chat.CodeNotFound, "there is no such file any more, or not yet"))
		return
	}
	if err != nil {
		rest.Error(w, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		rest.Error(w, err)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(rest.TransferTime(info.Size())))
	h := w.Header()
	h.Set("Content-Type", g.Type)
	h.Set("Content-Disposition", g.Disposition)
	// A file is foreign content on this origin: it is taken for what it was found to
	// be, and what runs in it runs nowhere.
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, max-age="+strconv.FormatInt(max(0, g.expires-s.opts.Now().Unix()), 10))
	h.Set("ETag", `"`+tagOf(info)+`"`)
	http.ServeContent(w, r, "", info.ModTime(), f)
}
