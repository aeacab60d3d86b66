// Package s3blob keeps files in a bucket of an S3-compatible store: the blob store
// of the services. It implements [blob.Store] with the five requests that every
// such store has (HEAD, GET, PUT, CopyObject, DELETE), signed with Signature
// Version 4; clients get presigned URLs. Buckets are addressed in the path.
//
// Clients and services may reach the store under different names; a presigned URL
// has the name that it was signed for.
package s3blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/parley-chat/parley/pkg/blob"
)

// Options say where the bucket is. Endpoint, Bucket, AccessKey and SecretKey are
// required.
type Options struct {
	Endpoint       string // http:// or https://, and the host
	PublicEndpoint string // the same for clients; default: Endpoint
	Bucket         string
	Region         string // default "us-east-1"
	AccessKey      string
	SecretKey      string
	Client         *http.Client     // default: one with 10 s for an answer to begin
	Now            func() time.Time // default: time.Now
}

// Store is a [blob.Store] in a bucket. It is safe for concurrent use.
type Store struct {
	endpoint, public *url.URL
	bucket, region   string
	keys             aws.Credentials
	signer           *v4.Signer
	client           *http.Client
	now              func() time.Time
}

var _ blob.Store = (*Store)(nil)

// New checks the options; it asks nobody.
func New(o Options) (*Store, error) {
	if o.PublicEndpoint == "" {
		o.PublicEndpoint = o.Endpoint
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = 10 * time.Second
		o.Client = &http.Client{Transport: transport}
	}
	s := &Store{bucket: o.Bucket, region: o.Region, client: o.Client, now: o.Now,
		keys: aws.Credentials{AccessKeyID: o.AccessKey, SecretAccessKey: o.SecretKey},
		signer: v4.NewSigner(func(so *v4.SignerOptions) {
			so.DisableURIPathEscaping = true // as S3 wants it; names need no escaping
		})}
	var err1, err2, err3 error
	s.endpoint, err1 = parseEndpoint(o.Endpoint)
	s.public, err2 = parseEndpoint(o.PublicEndpoint)
	if !validBucket(o.Bucket) {
		err3 = fmt.Errorf("%.64q is no name of a bucket", o.Bucket)
	}
	if o.AccessKey == "" || o.SecretKey == "" {
		err3 = errors.Join(err3, errors.New("the access key or the secret key is missing"))
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return s, nil
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("the endpoint is not of the form https://host[:port]")
	}
	u.Path = ""
	return u, nil
}

func validBucket(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return 3 <= len(name) && len(name) <= 63
}

// Check asks whether the bucket is there and the keys may use it.
func (s *Store) Check(ctx context.Context) error {
	res, err := s.do(ctx, http.MethodHead, at(s.endpoint, s.bucket), nil, nil)
	if err != nil {
		return fail("look at the bucket", err)
	}
	return drop(res)
}

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (s *Store) object(name string) (*url.URL, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	return at(s.endpoint, s.bucket+"/"+name), nil
}

func at(endpoint *url.URL, path string) *url.URL {
	u := *endpoint
	u.Path = "/" + path
	return &u
}

// do sends a signed request. An answer that is no success becomes an error; else
// its body is the caller's.
func (s *Store) do(ctx context.Context, method string, u *url.URL, header http.Header, data []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	hash := emptyHash
	if len(data) > 0 {
		sum := sha256.Sum256(data)
		hash = hex.EncodeToString(sum[:])
	} else {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if err := s.signer.SignHTTP(ctx, s.keys, req, hash, "s3", s.region, s.now()); err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	return nil, answerError(res)
}

// answerError reads what S3 says is wrong. The text is for logs.
func answerError(res *http.Response) error {
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotFound:
		return blob.ErrNotFound
	case http.StatusPreconditionFailed:
		return blob.ErrChanged
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // what there is will do
	return fmt.Errorf("the answer is %s: %s", res.Status, text)
}

// drop reads a short answer to its end, so that the connection can be used again.
func drop(res *http.Response) error {
	_, err := io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return errors.Join(err, res.Body.Close())
}

func fail(verb string, err error) error { return fmt.Errorf("s3: %s: %w", verb, err) }

// Head implements [blob.Objects].
func (s *Store) Head(ctx context.Context, name string) (blob.Info, error) {
	u, err := s.object(name)
	if err != nil {
		return blob.Info{}, fail("head", err)
	}
	res, err := s.do(ctx, http.MethodHead, u, nil, nil)
	if err != nil {
		return blob.Info{}, fail("head", err)
	}
	info := blob.Info{Size: res.ContentLength, Tag: res.Header.Get("ETag")}
	return info, drop(res)
}

// Get implements [blob.Objects].
func (s *Store) Get(ctx context.Context, name string, n int64) (io.ReadCloser, error) {
	u, err := s.object(name)
	if err != nil {
		return nil, fail("get", err)
	}
	res, err := s.do(ctx, http.MethodGet, u, http.Header{"Range": {"bytes=0-" + strconv.FormatInt(n-1, 10)}}, nil)
	if err != nil {
		return nil, fail("get", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, n), res.Body}, nil
}

// Put implements [blob.Objects].
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	u, err := s.object(name)
	if err != nil {
		return fail("put", err)
	}
	res, err := s.do(ctx, http.MethodPut, u, nil, data)
	if err != nil {
		return fail("put", err)
	}
	return drop(res)
}

// Copy implements [blob.Objects]. S3 may answer 200 before it copies, and say in
// the body that it failed.
func (s *Store) Copy(ctx context.Context, from, tag, to string) error {
	src, err := s.object(from)
	if err != nil {
		return fail("copy", err)
	}
	dst, err := s.object(to)
	if err != nil {
		return fail("copy", err)
	}
	res, err := s.do(ctx, http.MethodPut, dst, http.Header{
		"X-Amz-Copy-Source": {src.Path}, "X-Amz-Copy-Source-If-Match": {tag}}, nil)
	if err != nil {
		return fail("copy", err)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fail("copy", err)
	}
	if !bytes.Contains(answer, []byte("CopyObjectResult")) {
		return fail("copy", fmt.Errorf("the answer is %.512s", answer))
	}
	return nil
}

// Delete implements [blob.Objects].
func (s *Store) Delete(ctx context.Context, name string) error {
	u, err := s.object(name)
	if err != nil {
		return fail("delete", err)
	}
	res, err := s.do(ctx, http.MethodDelete, u, nil, nil)
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fail("delete", err)
	}
	return drop(res)
}

// PresignPut implements [blob.Presigner]. The size is a signed header: the store
// refuses another one.
func (s *Store) PresignPut(name string, size int64, ttl time.Duration) (blob.Request, error) {
	if size < 1 {
		return blob.Request{}, fail("presign", errors.New("an upload needs a size"))
	}
	return s.presign(http.MethodPut, name, url.Values{}, size, ttl)
}

// PresignGet implements [blob.Presigner].
func (s *Store) PresignGet(name string, d blob.Download, ttl time.Duration) (blob.Request, error) {
	q := url.Values{"response-cache-control": {"private, max-age=" + strconv.Itoa(int(ttl/time.Second))}}
	if d.Type != "" {
		q.Set("response-content-type", d.Type)
	}
	if d.Disposition != "" {
		q.Set("response-content-disposition", d.Disposition)
	}
	return s.presign(http.MethodGet, name, q, 0, ttl)
}

func (s *Store) presign(method, name string, q url.Values, size int64, ttl time.Duration) (blob.Request, error) {
	if err := blob.CheckName(name); err != nil {
		return blob.Request{}, fail("presign", err)
	}
	u := at(s.public, s.bucket+"/"+name)
	q.Set("X-Amz-Expires", strconv.Itoa(int(ttl/time.Second)))
	u.RawQuery = q.Encode()
	req := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}, ContentLength: size}
	now := s.now()
	signed, _, err := s.signer.PresignHTTP(context.Background(), s.keys, req, "UNSIGNED-PAYLOAD", "s3", s.region, now)
	if err != nil {
		return blob.Request{}, fail("presign", err)
	}
	return blob.Request{Method: method, URL: signed, Expires: now.Add(ttl)}, nil
}
