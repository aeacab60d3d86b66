package upload

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestFromUploadToRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		data := picture(t, 500)
		a := w.upload("f1", data)
		body, err := w.use("m1", a.ID)
		w.ok(err)
		want := wire.Attachment{ID: string(a.ID), Name: "a.png", Type: "image/png", Size: int64(len(data)), W: 500, H: 500,
			Thumb: "/v1/attachments/" + string(a.ID) + "/thumb"}
		if got := wire.Attachments(body); len(got) != 1 || got[0] != want {
			t.Errorf("got %+v", got)
		}
		if names := w.objects(); len(names) != 2 || !strings.HasPrefix(names[0], "at/") || !strings.HasPrefix(names[1], "th/") {
			t.Errorf("objects %v", names)
		}
		w.ok(w.served(a.ID, "alice"))
		w.code(w.served(a.ID, "bob"), chat.CodeNotFound) // it has not been sent

		seq := w.message("m1", body)
		w.ok(w.served(a.ID, "bob"))
		w.code(w.served(a.ID, "carol"), chat.CodeNotFound)

		w.recall(seq)
		w.code(w.served(a.ID, "bob"), chat.CodeNotFound) // before anything is deleted
		w.code(w.served(a.ID, "alice"), chat.CodeNotFound)
		w.ok(w.m.forget(t.Context(), forget{w.key, seq}))
		w.gone(a.ID)
		if s := w.m.Stats(); s.Completed != 1 || s.Collected != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// collectAfter lets time pass and the collector work, more than once.
func (w *world) collectAfter(d time.Duration) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	w.m.Run(ctx)
}

func TestWhatIsNotSentIsCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		announced, _, err := w.m.Announce(t.Context(), w.file("f0", 1))
		w.ok(err)
		uploaded := w.upload("f1", picture(t, 10))
		complete := w.upload("f2", picture(t, 20))
		_, err = w.m.Complete(t.Context(), "_", "alice", complete.ID)
		w.ok(err)
		used := w.upload("f3", picture(t, 30))
		_, err = w.use("m1", used.ID) // and then the pod dies
		w.ok(err)
		sent := w.upload("f4", picture(t, 40))
		body, err := w.use("m2", sent.ID)
		w.ok(err)
		seq := w.message("m2", body)

		w.collectAfter(50 * time.Minute)
		for _, a := range []store.Attachment{announced, uploaded, complete, used, sent} {
			if _, there := w.doc(a.ID); !there {
				t.Errorf("%s was collected too early", a.ID)
			}
		}
		w.collectAfter(15 * time.Minute)
		if _, there := w.doc(used.ID); there {
			t.Error("a use without an entry keeps the file")
		}
		w.collectAfter(22 * time.Hour)
		if _, there := w.doc(uploaded.ID); !there {
			t.Error("it was collected before its day was over")
		}
		w.collectAfter(2 * time.Hour)
		for _, a := range []store.Attachment{announced, uploaded, complete} {
			if _, there := w.doc(a.ID); there {
				t.Errorf("%s is still there", a.ID)
			}
		}
		w.ok(w.served(sent.ID, "bob"))
		if names := w.objects(); len(names) != 2 {
			t.Errorf("objects %v", names)
		}
		// A recall of which nobody was told is found by the recheck.
		w.recall(seq)
		w.collectAfter(8 * 24 * time.Hour)
		w.gone(sent.ID)
	})
}

// Whatever goes wrong once, with or without effect, in the store of documents or
// of files: in the end a message that is stored has its file, and otherwise nothing
// is left.
func TestEveryFault(t *testing.T) {
	type fault struct {
		op   memstore.Op
		blob string
		kind memstore.Kind
	}
	var faults []fault
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		for _, op := range []memstore.Op{memstore.OpCreateAttachment, memstore.OpUpdateAttachment, memstore.OpDeleteAttachment,
			memstore.OpAttachmentsByID, memstore.OpAttachmentsByUse, memstore.OpDueAttachments, memstore.OpLookup, memstore.OpEntries} {
			faults = append(faults, fault{op: op, kind: kind})
		}
		for _, op := range []string{"head", "put", "copy", "delete"} {
			faults = append(faults, fault{blob: op, kind: kind})
		}
	}
	data := picture(t, 20)
	for _, f := range faults {
		for skip := range 4 {
			for _, end := range []string{"sent", "not sent", "recalled"} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *Options) { o.Every = time.Hour })
					if f.blob == "" {
						w.fault = w.store.Inject(memstore.Fault{Op: f.op, Kind: f.kind, Times: 1, Skip: skip})
					} else {
						left := skip
						w.blobs.fail = func(op string) (bool, error) {
							if op != f.blob {
								return true, nil
							}
							if left--; left == -1 {
								return f.kind == memstore.FailApplied, errAway
							}
							return true, nil
						}
					}
					w.through(data, end)
					if t.Failed() {
						t.Fatalf("%+v, skip %d, %s", f, skip, end)
					}
				})
			}
		}
	}
}

// again repeats what is unavailable, as a client does.
func (w *world) again(f func() error) {
	w.t.Helper()
	for range 3 {
		err := f()
		if err == nil {
			return
		}
		w.code(err, chat.CodeUnavailable)
	}
	w.t.Fatal("one fault makes three tries fail")
}

// through is the life of a file that ends in one of three ways.
func (w *world) through(data []byte, end string) {
	var id chat.AttachmentID
	w.again(func() error {
		a, req, err := w.m.Announce(w.t.Context(), w.file("f1", len(data)))
		if err == nil {
			id = a.ID
			w.put(req, data)
		}
		return err
	})
	var body []byte
	w.again(func() (err error) { body, err = w.use("m1", id); return err })
	seq := chat.Seq(0)
	if end != "not sent" {
		seq = w.message("m1", body)
	}
	if end == "recalled" {
		w.recall(seq)
		w.m.Forget(w.key, seq)
	}
	w.collectAfter(15 * 24 * time.Hour)
	w.blobs.fail = nil
	if w.fault != nil {
		w.fault.Remove()
	}
	if end != "sent" {
		w.gone(id)
		return
	}
	w.ok(w.served(id, "bob"))
	if names := w.objects(); len(names) != 2 {
		w.t.Errorf("objects %v", names)
	}
}

// A send that uses a file while the collector is about to condemn it: one of them
// wins, and never both.
func TestSendAgainstCollector(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpUpdateAttachment, memstore.OpLookup} {
		for skip := range 2 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				a := w.upload("f1", picture(t, 10))
				_, err := w.use("m0", a.ID) // never sent
				w.ok(err)
				time.Sleep(2 * time.Hour)
				hold := w.store.As("collector").Inject(memstore.Fault{Op: op, Kind: memstore.Block, Times: 1, Skip: skip,
					When: func(c memstore.Call) bool { return c.Client == "collector" }})
				collector := New(Options{Store: w.store.As("collector"), Blobs: w.blobs, Log: w.m.opts.Log})
				collected := make(chan error, 1)
				go func() { collected <- collector.collect(t.Context()) }()
				synctest.Wait()
				body, useErr := w.use("m1", a.ID)
				if useErr == nil {
					w.message("m1", body)
				}
				hold.Release()
				w.ok(<-collected)
				w.collectAfter(9 * 24 * time.Hour)
				if useErr == nil {
					w.ok(w.served(a.ID, "bob"))
					return
				}
				w.code(useErr, chat.CodeBadRequest)
				w.gone(a.ID)
			})
		}
	}
}

// A recall of one message must not take the file of another that is under way.
func TestRecallAgainstSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		a := w.upload("f1", picture(t, 10))
		first, err := w.use("m1", a.ID)
		w.ok(err)
		seq := w.message("m1", first)
		second, err := w.use("m2", a.ID) // prepared, and not appended yet
		w.ok(err)
		w.recall(seq)
		w.ok(w.m.forget(t.Context(), forget{w.key, seq}))
		w.message("m2", second)
		w.collectAfter(8 * 24 * time.Hour)
		w.ok(w.served(a.ID, "bob"))
	})
}

func TestRecallTakesTheFilesOfEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		seq := w.message("m1", []byte(`{"text":"x"}`))
		a := w.upload("f1", picture(t, 10))
		body, err := w.m.Use(t.Context(), w.key, "alice", store.Use{CMID: "e1", Target: seq}, naming(a.ID))
		w.ok(err)
		w.append(chat.Entry{Kind: chat.KindEdited, CMID: "e1", Target: seq, Body: body})
		w.ok(w.served(a.ID, "bob"))
		w.recall(seq)
		w.ok(w.m.forget(t.Context(), forget{w.key, seq}))
		w.gone(a.ID)
	})
}

func TestAnnounceIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		a, first, err := w.m.Announce(t.Context(), w.file("f1", 100))
		w.ok(err)
		time.Sleep(20 * time.Hour)
		again, second, err := w.m.Announce(t.Context(), w.file("f1", 100))
		w.ok(err)
		if again.ID != a.ID || second.URL == first.URL {
			t.Errorf("%+v, %+v", again, second)
		}
		w.collectAfter(12 * time.Hour) // the new URL must not outlive the document
		if _, there := w.doc(a.ID); !there {
			t.Error("collected in spite of the new URL")
		}
		other := w.file("f1", 101)
		_, _, err = w.m.Announce(t.Context(), other)
		w.code(err, chat.CodeCMIDConflict)
		b := w.upload("f2", picture(t, 10))
		_, err = w.use("m1", b.ID)
		w.ok(err)
		done, req, err := w.m.Announce(t.Context(), w.file("f2", int(b.Size)))
		w.ok(err)
		if req != nil || done.State != store.AttachmentComplete {
			t.Errorf("a complete one is to be uploaded again: %+v", done)
		}
	})
}

func TestAnnounceRefuses(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxBytes, o.Types, o.PerMin = 1000, []string{"image/*", "text/plain"}, 2 })
	for name, c := range map[string]struct {
		change func(*Announced)
		code   chat.Code
	}{
		"size 0":      {func(f *Announced) { f.Size = 0 }, chat.CodeBadRequest},
		"too large":   {func(f *Announced) { f.Size = 1001 }, chat.CodeTooLarge},
		"no name":     {func(f *Announced) { f.Name = "" }, chat.CodeBadRequest},
		"path":        {func(f *Announced) { f.Name = "../a" }, chat.CodeBadRequest},
		"line":        {func(f *Announced) { f.Name = "a\r\nb" }, chat.CodeBadRequest},
		"right":       {func(f *Announced) { f.Name = "a\u202egnp.exe" }, chat.CodeBadRequest},
		"long":        {func(f *Announced) { f.Name = strings.Repeat("a", 256) }, chat.CodeBadRequest},
		"no type":     {func(f *Announced) { f.Type = "" }, chat.CodeBadRequest},
		"type":        {func(f *Announced) { f.Type = "image" }, chat.CodeBadRequest},
		"other type":  {func(f *Announced) { f.Type = "text/html" }, chat.CodeForbidden},
		"no cmid":     {func(f *Announced) { f.CMID = "" }, chat.CodeBadRequest},
		"server cmid": {func(f *Announced) { f.CMID = "!x" }, chat.CodeBadRequest},
	} {
		f := w.file("f1", 10)
		c.change(&f)
		if _, _, err := w.m.Announce(t.Context(), f); err == nil || chat.AsError(err).Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		_, _, err := w.m.Announce(t.Context(), w.file("f1", 10))
		w.ok(err)
	}
	_, _, err := w.m.Announce(t.Context(), w.file("f1", 10))
	w.code(err, chat.CodeRateLimited)
}

func TestUseRefuses(t *testing.T) {
	w := newWorld(t, nil)
	good := w.upload("f1", picture(t, 10))
	missing, _, err := w.m.Announce(t.Context(), w.file("f2", 10))
	w.ok(err)
	elsewhere := w.file("f3", 10)
	elsewhere.Key.Conv = chat.DirectID("_", "alice", "carol")
	other, _, err := w.m.Announce(t.Context(), elsewhere)
	w.ok(err)
	bobs := w.file("f4", 10)
	bobs.Owner = "bob"
	foreign, _, err := w.m.Announce(t.Context(), bobs)
	w.ok(err)
	for name, ids := range map[string][]chat.AttachmentID{
		"not uploaded": {missing.ID}, "another conversation": {other.ID}, "another user": {foreign.ID}, "no id": {"x"},
		"unknown": {chat.NewAttachmentID(w.key, "alice", "f9")}, "twice": {good.ID, good.ID}, "one of two": {good.ID, missing.ID},
	} {
		if _, err := w.use("m1", ids...); err == nil || chat.AsError(err).Code != chat.CodeBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range store.MaxUses {
		_, err := w.use(chat.CMID("u"+string(rune('A'+i))), good.ID)
		w.ok(err)
	}
	_, err = w.use("one-more", good.ID)
	w.code(err, chat.CodeBadRequest)
	_, err = w.use("uA", good.ID) // a repeat is not one more
	w.ok(err)
}

// What comes is looked at, not believed.
func TestWhatIsUploadedDecides(t *testing.T) {
	page, jpegName := []byte("<html><script>alert(1)</script>"), "photo.jpg"
	for name, c := range map[string]struct {
		announced   string
		data        []byte
		typ, served string
	}{
		"a page as an image":    {"image/png", page, "application/octet-stream", ""},
		"a page":                {"text/html", page, "text/html", ""},
		"svg":                   {"image/svg+xml", []byte("<svg onload='x'/>"), "application/octet-stream", ""},
		"an image as a page":    {"text/html", picture(t, 10), "image/png", "image/png"},
		"the beginning of one":  {"image/png", picture(t, 300)[:60], "application/octet-stream", ""},
		"a document":            {"application/pdf", []byte("%PDF-1.7"), "application/pdf", ""},
		"an archive as a video": {"video/mp4", []byte("PK\x03\x04"), "video/mp4", ""},
	} {
		w := newWorld(t, nil)
		f := w.file("f1", len(c.data))
		f.Type, f.Name = c.announced, jpegName
		a, req, err := w.m.Announce(t.Context(), f)
		w.ok(err)
		w.put(req, c.data)
		a, err = w.m.Complete(t.Context(), "_", "alice", a.ID)
		if err != nil || a.Type != c.typ || a.Serve != c.served {
			t.Errorf("%s: %q, served as %q, %v", name, a.Type, a.Serve, err)
		}
	}
	w := newWorld(t, func(o *Options) { o.Types = []string{"image/*"} })
	f := w.file("f1", len(page))
	a, req, err := w.m.Announce(t.Context(), f)
	w.ok(err)
	w.put(req, page)
	_, err = w.m.Complete(t.Context(), "_", "alice", a.ID)
	w.code(err, chat.CodeForbidden)
}

// An old URL cannot change what was taken.
func TestUploadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		data := picture(t, 300)
		a, req, err := w.m.Announce(t.Context(), w.file("f1", len(data)))
		w.ok(err)
		w.put(req, data)
		body, err := w.use("m1", a.ID)
		w.ok(err)
		w.message("m1", body)
		evil := slices.Clone(data)
		copy(evil, "<html><script>")
		if code := w.put(req, evil); code != http.StatusOK {
			t.Fatal(code)
		}
		again, err := w.use("m1", a.ID)
		w.ok(err)
		if string(again) != string(body) {
			t.Errorf("%s\n%s", again, body)
		}
		w.ok(w.served(a.ID, "bob"))
		w.collectAfter(2 * time.Hour)
		if names := w.objects(); len(names) != 2 {
			t.Errorf("objects %v", names)
		}
	})
}

// Many completions of one file at a time end in one.
func TestCompleteAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	a := w.upload("f1", picture(t, 600))
	errs := make(chan error, 16)
	for range cap(errs) {
		go func() {
			_, err := w.m.Complete(t.Context(), "_", "alice", a.ID)
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if names := w.objects(); len(names) != 2 {
		t.Errorf("objects %v", names)
	}
	_, err := w.m.Complete(t.Context(), "_", "bob", a.ID)
	w.code(err, chat.CodeNotFound)
}

func TestForgetsAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	for range mostForgets + 10 {
		w.m.Forget(w.key, 1)
	}
	if n := len(w.m.forgets); n != mostForgets {
		t.Errorf("%d wait", n)
	}
	if err := w.m.forget(t.Context(), forget{w.key, 77}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.m.collect(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Two pods complete a file that is uploaded anew in between: what is known of it
// is known of what is kept, and nothing of the other is left.
func TestUploadAgainDuringCompletion(t *testing.T) {
	w := newWorld(t, nil)
	data := picture(t, 300)
	a, req, err := w.m.Announce(t.Context(), w.file("f1", len(data)))
	w.ok(err)
	w.put(req, data)
	page := slices.Clone(data)
	copy(page, "<html><script>")
	w.blobs.fail = func(op string) (bool, error) {
		if op == "put" { // the first one has looked at the image, and keeps its thumbnail
			w.blobs.fail = nil
			w.put(req, page)
			_, err := w.m.Complete(t.Context(), "_", "alice", a.ID)
			w.ok(err)
		}
		return true, nil
	}
	got, err := w.m.Complete(t.Context(), "_", "alice", a.ID)
	w.ok(err)
	if got.Serve != "" || got.Thumb != "" || got.W != 0 {
		t.Errorf("known of the image, and kept is the page: %+v", got)
	}
	if names := w.objects(); len(names) != 1 || names[0] != "at/"+got.File {
		t.Errorf("objects %v, the file is %s", names, got.File)
	}
}
