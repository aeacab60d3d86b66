package diskblob

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/blob/blobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = bytes.Repeat([]byte("k"), 32)

func open(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Secret = secret
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Fixture {
		var ahead atomic.Int64
		s := open(t, Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		base, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		return blobtest.Fixture{Store: s, Base: base, Forward: func(d time.Duration) { ahead.Add(int64(d)) }}
	})
}

func ask(s *Store, r blob.Request, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(r.Method, "http://chat.example"+r.URL, strings.NewReader(body)))
	return w
}

// What a browser gets must not run on this origin, whatever was uploaded.
func TestForeignContentIsHarmless(t *testing.T) {
	s := open(t, Options{})
	if err := s.Put(t.Context(), "at/x", []byte("<script>alert(1)</script>")); err != nil {
		t.Fatal(err)
	}
	r, err := s.PresignGet("at/x", blob.Download{Type: "application/octet-stream", Disposition: "attachment"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	h := ask(s, r, "").Header()
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Disposition": "attachment",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSecretsDiffer(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	other, err := Open(Options{Dir: dir, Secret: bytes.Repeat([]byte("o"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := other.PresignPut("at/x", 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(s, r, "x"); w.Code != http.StatusForbidden {
		t.Errorf("signed with another secret: %d", w.Code)
	}
	if _, err := Open(Options{Dir: dir, Secret: []byte("short")}); err == nil {
		t.Error("a short secret is taken")
	}
}

// An upload that breaks off leaves nothing under its name, nor beside.
func TestBrokenUpload(t *testing.T) {
	s := open(t, Options{})
	r, err := s.PresignPut("at/x", 10, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(r.Method, "http://chat.example"+r.URL, strings.NewReader("short"))
	req.ContentLength = 10
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := s.Head(t.Context(), "at/x"); err == nil {
		t.Error("half a file is there")
	}
	left, err := os.ReadDir(s.temp())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFullOfUploads(t *testing.T) {
	s := open(t, Options{Uploads: 1})
	r, err := s.PresignPut("at/x", 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s.uploads <- struct{}{}
	if w := ask(s, r, "x"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	<-s.uploads
	if w := ask(s, r, "x"); w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
}

func TestOpenTidies(t *testing.T) {
	dir := t.TempDir()
	open(t, Options{Dir: dir})
	old, young := filepath.Join(dir, "tmp", "put-old"), filepath.Join(dir, "tmp", "put-young")
	for _, p := range []string{old, young} {
		if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: dir})
	if _, err := os.Stat(old); err == nil {
		t.Error("what an interrupted write left is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("a file that may be being written is gone")
	}
}
