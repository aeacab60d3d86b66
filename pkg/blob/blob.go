// Package blob is the port to where files are kept: an S3-compatible store in
// production (s3blob), a folder in the all-in-one binary (diskblob). Clients move
// the bytes themselves, with requests that are signed here for a short while; the
// services only look at what was uploaded. The contract is in the comments, and
// blobtest runs it against both.
//
// Names are the caller's, and of one form (see [CheckName]). A write replaces an
// object as a whole: a reader sees the old one or the new one. An error of a write
// says nothing about the outcome; every write may be repeated. Every method may
// block until its context ends, and returns a wrapped error then.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// The errors of a [Store], for errors.Is.
var (
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("no such object")
	// ErrChanged: the object is not the one that was looked at.
	ErrChanged = errors.New("the object has been replaced")
)

// Store is everything.
type Store interface {
	Objects
	Presigner
}

// Info is what a store tells of an object.
type Info struct {
	Size int64
	Tag  string // differs between an object and the one that replaces it
}

// Objects is what the services do with objects themselves.
type Objects interface {
	// Head looks at an object; ErrNotFound.
	Head(ctx context.Context, name string) (Info, error)
	// Get reads the first n bytes of an object (n ≥ 1), or all if it is shorter;
	// ErrNotFound. The caller closes the reader, which ends with the context too.
	Get(ctx context.Context, name string, n int64) (io.ReadCloser, error)
	// Put stores an object. It does not keep data.
	Put(ctx context.Context, name string, data []byte) error
	// Copy makes to the same as from, which must be the object with this tag:
	// ErrChanged, or ErrNotFound, and then nothing has changed.
	Copy(ctx context.Context, from, tag, to string) error
	// Delete removes an object; a missing one is success.
	Delete(ctx context.Context, name string) error
}

// Presigner makes requests that whoever has them may do, once or often, until they
// expire. It does no I/O, and does not ask whether the object is there.
type Presigner interface {
	// PresignPut is a request that stores exactly size bytes (≥ 1) as an object.
	PresignPut(name string, size int64, ttl time.Duration) (Request, error)
	// PresignGet is a request that reads an object, as d says.
	PresignGet(name string, d Download, ttl time.Duration) (Request, error)
}

// Download is what the answer to a presigned GET says of itself, whatever was
// said when the object was uploaded.
type Download struct {
	Type        string // Content-Type
	Disposition string // Content-Disposition
}

// Request is a request for a client.
type Request struct {
	Method string
	// URL may be relative: to that of the request which it is the answer to.
	URL string
	// Header is what the client must send beside what HTTP asks for; may be nil.
	Header  map[string]string
	Expires time.Time
}

// maxName bounds a name in bytes.
const maxName = 200

// CheckName refuses names that are not of the form part(/part)*, where a part has
// lower-case letters, digits, "-" and "_".
func CheckName(name string) error {
	prev := byte('/')
	for i := 0; i < len(name); i++ {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		if !alnum && (c != '/' || prev == '/') {
			return fmt.Errorf("%.40q is no name of an object", name)
		}
		prev = c
	}
	if prev == '/' || len(name) > maxName {
		return fmt.Errorf("%.40q is no name of an object", name)
	}
	return nil
}
