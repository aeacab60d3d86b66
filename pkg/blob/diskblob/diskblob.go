// Package diskblob keeps files in a folder, and serves them itself: the blob store
// of the all-in-one binary. Its requests are signed with HMAC-SHA256 and expire,
// like those of S3. It implements [blob.Store], and is the HTTP handler of the
// requests that it signs.
//
// A file is written beside, synced and renamed, so that a name never shows half of
// one, and what was answered with 200 survives a power cut.
package diskblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/blob"
)

// Options configure a [Store]. Dir and Secret are required.
type Options struct {
	Dir    string
	Secret []byte // that requests are signed with: at least 32 bytes, the same for all that share Dir
	// Path is where the handler is mounted. Default: "/v1/blobs/".
	Path    string
	Uploads int              // at a time; more are answered 503. Default: 64
	Now     func() time.Time // default: time.Now
}

// Store is a [blob.Store] in a folder. It is safe for concurrent use, by several
// processes too.
type Store struct {
	opts    Options
	uploads chan struct{}
}

var _ blob.Store = (*Store)(nil)

// Open makes the folder where it is missing, and removes what interrupted writes
// have left.
func Open(o Options) (*Store, error) {
	if len(o.Secret) < 32 {
		return nil, errors.New("diskblob: the secret has fewer than 32 bytes")
	}
	if o.Path == "" {
		o.Path = "/v1/blobs/"
	}
	if o.Uploads == 0 {
		o.Uploads = 64
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{opts: o, uploads: make(chan struct{}, o.Uploads)}
	if err := os.MkdirAll(s.temp(), 0o700); err != nil {
		return nil, fmt.Errorf("diskblob: open: %w", err)
	}
	left, err := os.ReadDir(s.temp())
	if err != nil {
		return nil, fmt.Errorf("diskblob: open: %w", err)
	}
	for _, e := range left {
		// Another process may be writing: nothing takes that long.
		if info, err := e.Info(); err == nil && o.Now().Sub(info.ModTime()) > 24*time.Hour {
			_ = os.Remove(filepath.Join(s.temp(), e.Name())) // tried again at the next start
		}
	}
	return s, nil
}

func (s *Store) temp() string { return filepath.Join(s.opts.Dir, "tmp") }

func (s *Store) path(name string) (string, error) {
	if err := blob.CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(s.opts.Dir, "objects", filepath.FromSlash(name)), nil
}

// pathIn is path for a caller with a context.
func (s *Store) pathIn(ctx context.Context, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return s.path(name)
}

func wrap(verb string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = blob.ErrNotFound
	}
	return fmt.Errorf("diskblob: %s: %w", verb, err)
}

// tagOf tells files apart: one that replaces another has another inode or time.
func tagOf(info fs.FileInfo) string {
	tag := strconv.FormatInt(info.Size(), 36) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 36)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		tag += "-" + strconv.FormatUint(st.Ino, 36)
	}
	return tag
}

// Head implements [blob.Objects].
func (s *Store) Head(ctx context.Context, name string) (blob.Info, error) {
	p, err := s.pathIn(ctx, name)
	if err != nil {
		return blob.Info{}, wrap("head", err)
	}
	info, err := os.Stat(p)
	if err != nil {
		return blob.Info{}, wrap("head", err)
	}
	return blob.Info{Size: info.Size(), Tag: tagOf(info)}, nil
}

// Get implements [blob.Objects].
func (s *Store) Get(ctx context.Context, name string, n int64) (io.ReadCloser, error) {
	p, err := s.pathIn(ctx, name)
	if err != nil {
		return nil, wrap("get", err)
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, wrap("get", err)
	}
	return &part{ctx: ctx, r: io.LimitReader(f, n), f: f}, nil
}

// part is the beginning of a file.
type part struct {
	ctx context.Context
	r   io.Reader
	f   *os.File
}

func (p *part) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

func (p *part) Close() error { return p.f.Close() }

// Put implements [blob.Objects].
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	p, err := s.pathIn(ctx, name)
	if err != nil {
		return wrap("put", err)
	}
	return s.write(p, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// write makes a file with what fill puts in, in the place of any that is there.
func (s *Store) write(p string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(s.temp(), "put-*")
	if err != nil {
		return wrap("put", err)
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = rename(f.Name(), p)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // Open tries again
		return wrap("put", err)
	}
	return nil
}

// rename moves a synced file to its place, for good.
func rename(from, to string) error {
	dir := filepath.Dir(to)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Copy implements [blob.Objects]: it is a second name of the same file, which
// never changes once it has one.
func (s *Store) Copy(ctx context.Context, from, tag, to string) error {
	src, err := s.pathIn(ctx, from)
	if err != nil {
		return wrap("copy", err)
	}
	dst, err := s.path(to)
	if err != nil {
		return wrap("copy", err)
	}
	f, err := os.CreateTemp(s.temp(), "copy-*")
	if err != nil {
		return wrap("copy", err)
	}
	held := f.Name() + "-held"
	defer func() {
		_ = os.Remove(f.Name())
		_ = os.Remove(held) // it is still there if dst was the same file already
	}()
	if err := f.Close(); err != nil {
		return wrap("copy", err)
	}
	if err := os.Link(src, held); err != nil {
		return wrap("copy", err)
	}
	info, err := os.Stat(held)
	if err != nil {
		return wrap("copy", err)
	}
	if tagOf(info) != tag {
		return wrap("copy", blob.ErrChanged)
	}
	if err := rename(held, dst); err != nil {
		return wrap("copy", err)
	}
	return nil
}

// Delete implements [blob.Objects].
func (s *Store) Delete(ctx context.Context, name string) error {
	p, err := s.pathIn(ctx, name)
	if err != nil {
		return wrap("delete", err)
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap("delete", err)
	}
	return nil
}
