package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/blob/diskblob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blobs is a folder that fails on demand.
type blobs struct {
	*diskblob.Store
	fail func(op string) (apply bool, err error)
}

var errAway = errors.New("the blob store is away")

func (b *blobs) do(op string, f func() error) error {
	if b.fail == nil {
		return f()
	}
	apply, err := b.fail(op)
	if apply || err == nil {
		err = errors.Join(err, f())
	}
	return err
}

func (b *blobs) Head(ctx context.Context, name string) (info blob.Info, err error) {
	err = b.do("head", func() error { info, err = b.Store.Head(ctx, name); return err })
	return info, err
}

func (b *blobs) Put(ctx context.Context, name string, data []byte) error {
	return b.do("put", func() error { return b.Store.Put(ctx, name, data) })
}

func (b *blobs) Copy(ctx context.Context, from, tag, to string) error {
	return b.do("copy", func() error { return b.Store.Copy(ctx, from, tag, to) })
}

func (b *blobs) Delete(ctx context.Context, name string) error {
	return b.do("delete", func() error { return b.Store.Delete(ctx, name) })
}

// world is a direct conversation of alice and bob, and a manager.
type world struct {
	t     *testing.T
	dir   string
	store *memstore.Store
	blobs *blobs
	m     *Manager
	key   chat.Key
	seq   chat.Seq
	fault *memstore.Injection // nil: none
}

func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), store: memstore.New(memstore.Options{}), key: chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}}
	disk, err := diskblob.Open(diskblob.Options{Dir: w.dir, Secret: bytes.Repeat([]byte("s"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	w.blobs = &blobs{Store: disk}
	o := Options{Store: w.store, Blobs: w.blobs, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	w.m = New(o)
	c := chat.Conversation{Key: w.key, Kind: chat.Direct, Users: []chat.User{"alice", "bob"}, Floor: 1, History: chat.HistoryJoined}
	var members []chat.Member
	for _, u := range c.Users {
		members = append(members, chat.Member{Key: w.key, User: u, Role: chat.RoleMember, Joined: 1})
	}
	if err := w.store.Create(t.Context(), c, members); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) code(err error, want chat.Code) {
	w.t.Helper()
	if got := chat.AsError(err).Code; err == nil || got != want {
		w.t.Fatalf("got %v, want %s", err, want)
	}
}

func picture(t *testing.T, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) file(cmid chat.CMID, size int) Announced {
	return Announced{Key: w.key, Owner: "alice", CMID: cmid, Name: "a.png", Type: "image/png", Size: int64(size)}
}

// put carries out an upload as a client does.
func (w *world) put(r *blob.Request, data []byte) int {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.blobs.ServeHTTP(rec, httptest.NewRequest(r.Method, "http://chat.example"+r.URL, bytes.NewReader(data)))
	return rec.Code
}

// upload announces and uploads a file.
func (w *world) upload(cmid chat.CMID, data []byte) store.Attachment {
	w.t.Helper()
	a, req, err := w.m.Announce(w.t.Context(), w.file(cmid, len(data)))
	w.ok(err)
	if code := w.put(req, data); code != http.StatusOK {
		w.t.Fatalf("upload: %d", code)
	}
	return a
}

func naming(ids ...chat.AttachmentID) []byte {
	var parts []string
	for _, id := range ids {
		parts = append(parts, fmt.Sprintf(`{"id":%q,"name":"x","type":"text/html","size":0}`, id))
	}
	return []byte(`{"text":"look","attachments":[` + strings.Join(parts, ",") + `]}`)
}

func (w *world) use(cmid chat.CMID, ids ...chat.AttachmentID) ([]byte, error) {
	return w.m.Use(w.t.Context(), w.key, "alice", store.Use{CMID: cmid}, naming(ids...))
}

// append stores and finishes the next entry.
func (w *world) append(e chat.Entry) chat.Seq {
	w.t.Helper()
	w.seq++
	e.Key, e.Seq, e.From, e.Time, e.Members = w.key, w.seq, "alice", time.Now().UTC(), 2
	b := store.Batch{Entries: []chat.Entry{e}}
	if res := w.store.Append(w.t.Context(), b); res.Outcomes[0] != store.Stored {
		w.t.Fatal(res.Err)
	}
	w.ok(w.store.Finish(w.t.Context(), b))
	return e.Seq
}

func (w *world) message(cmid chat.CMID, body []byte) chat.Seq {
	w.t.Helper()
	return w.append(chat.Entry{Kind: chat.KindMessage, CMID: cmid, Body: body})
}

func (w *world) recall(target chat.Seq) {
	w.t.Helper()
	w.append(chat.Entry{Kind: chat.KindRecalled, CMID: chat.CMID(fmt.Sprint("recall", target)), Target: target})
}

// objects lists what is in the folder.
func (w *world) objects() []string {
	w.t.Helper()
	var names []string
	root := filepath.Join(w.dir, "objects")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, p)
			names = append(names, rel)
		}
		return err
	})
	w.ok(err)
	slices.Sort(names)
	return names
}

func (w *world) doc(id chat.AttachmentID) (store.Attachment, bool) {
	w.t.Helper()
	found, err := w.store.AttachmentsByID(w.t.Context(), w.key.NS, []chat.AttachmentID{id})
	w.ok(err)
	if len(found) == 0 {
		return store.Attachment{}, false
	}
	return found[0], true
}

// gone checks that nothing is left of an attachment.
func (w *world) gone(id chat.AttachmentID) {
	w.t.Helper()
	if a, there := w.doc(id); there {
		w.t.Errorf("the document is still there: %+v", a)
	}
	if left := w.objects(); len(left) > 0 {
		w.t.Errorf("objects are left: %v", left)
	}
}

// served checks that bob can download it, and its thumbnail.
func (w *world) served(id chat.AttachmentID, user chat.User) error {
	w.t.Helper()
	r := attach.NewReader(w.store, w.blobs, chat.Limits{})
	a, err := r.Find(w.t.Context(), auth.Identity{NS: w.key.NS, User: user}, id)
	if err != nil {
		return err
	}
	for _, locate := range []func(*store.Attachment) (blob.Request, error){r.Download, r.Thumb} {
		req, err := locate(&a)
		w.ok(err)
		rec := httptest.NewRecorder()
		w.blobs.ServeHTTP(rec, httptest.NewRequest(req.Method, "http://chat.example"+req.URL, nil))
		if rec.Code != http.StatusOK {
			return fmt.Errorf("download: %d %s", rec.Code, rec.Body)
		}
	}
	return nil
}
