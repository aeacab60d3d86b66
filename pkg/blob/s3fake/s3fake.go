// Package s3fake is an S3 server in memory, for tests: one bucket, the requests
// that Parley makes, and Signature Version 4 checked by a reading of the
// specification that shares no code with the client's.
package s3fake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The keys and the place that the server knows.
const (
	AccessKey = "AKIAIOSFODNN7EXAMPLE"
	SecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	Region    = "us-east-1"
	Bucket    = "examplebucket"
)

// Account is another place and other keys.
type Account struct{ AccessKey, SecretKey, Bucket string }

// Server is a running server.
type Server struct {
	URL string

	account Account

	mu      sync.Mutex
	ahead   time.Duration
	objects map[string]object
	made    int
	fault   func(r *http.Request) Fault
}

type object struct {
	data []byte
	tag  string
}

// Fault is what goes wrong with a request.
type Fault uint8

// The faults.
const (
	None        Fault = iota
	Fail              // 503, nothing done
	FailApplied       // done, and 503
)

// Start runs a server until the test ends.
func Start(t *testing.T) *Server { return StartAs(t, Account{AccessKey, SecretKey, Bucket}) }

// StartAs is [Start] with another bucket and keys.
func StartAs(t *testing.T, a Account) *Server {
	s := &Server{account: a, objects: make(map[string]object)}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// Forward moves the server's clock.
func (s *Server) Forward(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// Inject has f decide over every request; nil: none goes wrong. It is called one
// at a time and must not call the server.
func (s *Server) Inject(f func(r *http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Names lists the objects.
func (s *Server) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Add(s.ahead)
	if why := s.account.verify(r, body, now); why != "" {
		http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>"+why+"</Message></Error>", http.StatusForbidden)
		return
	}
	fault := None
	if s.fault != nil {
		fault = s.fault(r)
	}
	if fault == Fail {
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		return
	}
	if fault == FailApplied {
		s.serveLocked(httptest.NewRecorder(), r, body)
		http.Error(w, "<Error><Code>InternalError</Code></Error>", http.StatusServiceUnavailable)
		return
	}
	s.serveLocked(w, r, body)
}

func (s *Server) serveLocked(w http.ResponseWriter, r *http.Request, body []byte) {
	name, ok := strings.CutPrefix(r.URL.Path, "/"+s.account.Bucket+"/")
	if r.URL.Path == "/"+s.account.Bucket && r.Method == http.MethodHead {
		return
	}
	o, there := s.objects[name]
	switch {
	case !ok:
		http.Error(w, "<Error><Code>NoSuchBucket</Code></Error>", http.StatusNotFound)
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		s.copyLocked(w, r, name)
	case r.Method == http.MethodPut:
		s.putLocked(name, body)
	case r.Method == http.MethodDelete:
		delete(s.objects, name)
		w.WriteHeader(http.StatusNoContent)
	case !there:
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		h := w.Header()
		h.Set("ETag", o.tag)
		h.Set("Content-Type", "binary/octet-stream")
		for param, header := range map[string]string{"response-content-type": "Content-Type",
			"response-content-disposition": "Content-Disposition", "response-cache-control": "Cache-Control"} {
			if v := r.URL.Query().Get(param); v != "" {
				h.Set(header, v)
			}
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(o.data)))
	default:
		http.Error(w, "<Error><Code>MethodNotAllowed</Code></Error>", http.StatusMethodNotAllowed)
	}
}

func (s *Server) putLocked(name string, data []byte) {
	s.made++
	s.objects[name] = object{data, fmt.Sprintf(`"%x-%d"`, sha256.Sum256(data), s.made)}
}

func (s *Server) copyLocked(w http.ResponseWriter, r *http.Request, to string) {
	from, ok := s.objects[strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "/"+s.account.Bucket+"/")]
	switch {
	case !ok:
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
	case r.Header.Get("X-Amz-Copy-Source-If-Match") != from.tag:
		http.Error(w, "<Error><Code>PreconditionFailed</Code></Error>", http.StatusPreconditionFailed)
	default:
		s.putLocked(to, from.data)
		_, _ = io.WriteString(w, "<CopyObjectResult></CopyObjectResult>")
	}
}

// Verify says what is wrong with a request's signature, or "".
func Verify(r *http.Request, body []byte, now time.Time) string {
	return Account{AccessKey, SecretKey, Bucket}.verify(r, body, now)
}

func (a Account) verify(r *http.Request, body []byte, now time.Time) string {
	q := r.URL.Query()
	for k, v := range q {
		if len(v) != 1 {
			return k + " is there more than once"
		}
	}
	sum := sha256.Sum256(body)
	p := signedParts{credential: q.Get("X-Amz-Credential"), headers: q.Get("X-Amz-SignedHeaders"),
		signature: q.Get("X-Amz-Signature"), date: q.Get("X-Amz-Date"), payload: "UNSIGNED-PAYLOAD"}
	life := 15 * time.Minute
	if q.Has("X-Amz-Signature") {
		seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
		if err != nil || q.Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" {
			return "the parameters are wrong"
		}
		life = time.Duration(seconds) * time.Second
	} else {
		fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
		if !ok {
			return "it has none"
		}
		for f := range strings.SplitSeq(fields, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(f), "=")
			switch k {
			case "Credential":
				p.credential = v
			case "SignedHeaders":
				p.headers = v
			case "Signature":
				p.signature = v
			}
		}
		p.date, p.payload = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Content-Sha256")
		if p.payload != hex.EncodeToString(sum[:]) {
			return "the hash of the body is another"
		}
	}
	at, err := time.Parse("20060102T150405Z", p.date)
	if err != nil || now.Before(at.Add(-15*time.Minute)) || now.After(at.Add(life)) {
		return "it has expired, or the date is wrong"
	}
	return p.check(r, a)
}

type signedParts struct{ credential, headers, signature, date, payload string }

// check computes the signature as the specification of Signature Version 4 says.
func (p signedParts) check(r *http.Request, a Account) string {
	scope := p.date[:8] + "/" + Region + "/s3/aws4_request"
	if p.credential != a.AccessKey+"/"+scope {
		return "the credential is another"
	}
	names := strings.Split(p.headers, ";")
	var headers strings.Builder
	for _, n := range names {
		v := strings.Join(r.Header.Values(n), ",")
		switch n {
		case "host":
			v = r.Host
		case "content-length":
			v = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(n + ":" + strings.TrimSpace(v) + "\n")
	}
	for n := range r.Header {
		if n = strings.ToLower(n); strings.HasPrefix(n, "x-amz-") && !slices.Contains(names, n) {
			return "the header " + n + " is not signed"
		}
	}
	var params []string
	for k, v := range r.URL.Query() {
		if k != "X-Amz-Signature" {
			params = append(params, escape(k)+"="+escape(v[0]))
		}
	}
	slices.Sort(params)
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), strings.Join(params, "&"), headers.String(), p.headers, p.payload}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", p.date, scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + a.SecretKey)
	for _, part := range []string{p.date[:8], Region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != p.signature {
		return "it does not match"
	}
	return ""
}

// escape is AWS's UriEncode.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
