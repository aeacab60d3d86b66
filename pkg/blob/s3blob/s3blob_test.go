package s3blob

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/blob/blobtest"
	"github.com/parley-chat/parley/pkg/blob/s3fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, change func(*Options)) (*Store, *s3fake.Server) {
	t.Helper()
	srv := s3fake.Start(t)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	o := Options{Endpoint: srv.URL, Bucket: s3fake.Bucket, AccessKey: s3fake.AccessKey, SecretKey: s3fake.SecretKey, Client: client}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, srv
}

func TestContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Fixture {
		s, srv := open(t, nil)
		base, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		return blobtest.Fixture{Store: s, Base: base, Forward: srv.Forward}
	})
}

// The fake is judged by an example of the specification (Amazon S3 API Reference,
// "Authenticating Requests: Using Query Parameters"): what it accepts is right.
func TestFakeKnowsTheSpecification(t *testing.T) {
	const signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	target := "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
	at := time.Date(2013, 5, 24, 1, 0, 0, 0, time.UTC)
	if why := s3fake.Verify(httptest.NewRequest(http.MethodGet, target+signature, nil), nil, at); why != "" {
		t.Error(why)
	}
	if why := s3fake.Verify(httptest.NewRequest(http.MethodGet, target+strings.Replace(signature, "a", "b", 1), nil), nil, at); why == "" {
		t.Error("a wrong signature is accepted")
	}
}

func TestCheck(t *testing.T) {
	s, _ := open(t, nil)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s, _ = open(t, func(o *Options) { o.SecretKey = "another" })
	if err := s.Check(t.Context()); err == nil || strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
	s, _ = open(t, func(o *Options) { o.Bucket = "no-such-bucket" })
	if err := s.Check(t.Context()); err == nil {
		t.Error("the bucket is not there")
	}
}

func TestPublicEndpoint(t *testing.T) {
	s, _ := open(t, func(o *Options) { o.PublicEndpoint = "https://files.example.org" })
	r, err := s.PresignGet("at/x", blob.Download{}, time.Minute)
	if err != nil || !strings.HasPrefix(r.URL, "https://files.example.org/"+s3fake.Bucket+"/at/x?") {
		t.Error(r.URL, err)
	}
	if err := s.Put(t.Context(), "at/x", []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Endpoint: "https://s3.example.org", Bucket: "files", AccessKey: "a", SecretKey: "hush"}
	for name, change := range map[string]func(*Options){
		"no endpoint":      func(o *Options) { o.Endpoint = "" },
		"endpoint, scheme": func(o *Options) { o.Endpoint = "s3.example.org" },
		"endpoint, path":   func(o *Options) { o.Endpoint += "/files" },
		"endpoint, user":   func(o *Options) { o.Endpoint = "https://u:hush@s3.example.org" },
		"public endpoint":  func(o *Options) { o.PublicEndpoint = "x" },
		"no bucket":        func(o *Options) { o.Bucket = "" },
		"bucket":           func(o *Options) { o.Bucket = "a/b" },
		"no keys":          func(o *Options) { o.AccessKey = "" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

// What the store answers is in the error for the log; a failure that was applied
// is repeated without harm.
func TestFailures(t *testing.T) {
	s, srv := open(t, nil)
	for _, fault := range []s3fake.Fault{s3fake.Fail, s3fake.FailApplied} {
		srv.Inject(func(*http.Request) s3fake.Fault { return fault })
		_, errHead := s.Head(t.Context(), "at/x")
		_, errGet := s.Get(t.Context(), "at/x", 1)
		for _, err := range []error{errHead, errGet, s.Put(t.Context(), "at/x", []byte("x")), s.Copy(t.Context(), "at/x", "t", "at/y"), s.Delete(t.Context(), "at/x")} {
			if err == nil || !strings.Contains(err.Error(), "503") {
				t.Errorf("%v", err)
			}
		}
		srv.Inject(nil)
		if err := s.Put(t.Context(), "at/x", []byte("x")); err != nil {
			t.Error(err)
		}
	}
}
