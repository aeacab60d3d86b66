package history

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/blob/diskblob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// withFile is a service over the group of newFixture in which alice has sent a
// file after carol had left, and announced another one.
func withFile(t *testing.T) (h http.Handler, f *fixture, sent, own chat.AttachmentID) {
	t.Helper()
	f = newFixture(t)
	disk, err := diskblob.Open(diskblob.Options{Dir: t.TempDir(), Secret: bytes.Repeat([]byte("s"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	a := store.Attachment{Key: f.group, ID: chat.NewAttachmentID(f.group, "alice", "f1"), Owner: "alice", Object: "ab/x", File: "ab/x-1",
		State: store.AttachmentComplete, Name: "Grüße.png", Type: "image/png", Serve: "image/png", Size: 3, W: 4, H: 5, Thumb: "image/jpeg",
		Uses: []store.Use{{CMID: "never sent"}, {CMID: "c5"}}, Version: 1}
	b := store.Attachment{Key: f.group, ID: chat.NewAttachmentID(f.group, "alice", "f2"), Owner: "alice", Object: "ab/y",
		State: store.AttachmentNew, Name: `a".html`, Type: "text/html", Size: 3, Version: 1}
	for _, a := range []store.Attachment{a, b} {
		if err := f.store.CreateAttachment(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	e := chat.Entry{Key: f.group, Seq: 5, Kind: chat.KindMessage, From: "alice", CMID: "c5", Count: 3, MV: 3, Members: 2, Time: time.Now().UTC(),
		Body: fmt.Appendf(nil, `{"attachments":[{"id":%q,"name":"Grüße.png","type":"image/png","size":3}]}`, a.ID)}
	if res := f.store.Append(t.Context(), store.Batch{Entries: []chat.Entry{e}}); res.Outcomes[0] != store.Stored {
		t.Fatal(res.Err)
	}
	h = f.handler(func(o *Options) { o.Files = attach.NewReader(f.store, disk, chat.Limits{}) })
	return h, f, a.ID, b.ID
}

func TestAttachmentIsForWhoSeesItsMessage(t *testing.T) {
	h, f, sent, own := withFile(t)
	for _, c := range []struct {
		id     chat.AttachmentID
		token  string
		status int
	}{
		{sent, "_/alice", 302}, {sent, "_/bob@x.org", 302},
		{sent, "_/carol", 404}, // a member before
		{sent, "_/dave", 404}, {sent, "other/alice", 404}, {sent, "", 401},
		{sent, "_/operator", 302}, {sent, "other/operator", 404},
		{own, "_/alice", 302}, {own, "_/bob@x.org", 404}, {own, "_/operator", 404},
		{"a_nothing", "_/alice", 404}, {chat.NewAttachmentID(f.group, "alice", "f9"), "_/alice", 404},
	} {
		got := ask(h, http.MethodGet, "/v1/attachments/"+string(c.id), c.token)
		if got.status != c.status {
			t.Errorf("%s as %q: %d %s", c.id, c.token, got.status, got.body)
		}
		if url := got.header.Get("Location"); (c.status == 302) != strings.HasPrefix(url, "/v1/blobs/") {
			t.Errorf("%s as %q: %q", c.id, c.token, url)
		}
	}
	recall := chat.Entry{Key: f.group, Seq: 6, Kind: chat.KindRecalled, From: "alice", CMID: "c6", Target: 5, Count: 3, MV: 3, Members: 2}
	if res := f.store.Append(t.Context(), store.Batch{Entries: []chat.Entry{recall}}); res.Outcomes[0] != store.Stored {
		t.Fatal(res.Err)
	}
	for _, token := range []string{"_/alice", "_/bob@x.org", "_/operator"} {
		if got := ask(h, http.MethodGet, "/v1/attachments/"+string(sent), token); got.status != 404 {
			t.Errorf("recalled, as %q: %d", token, got.status)
		}
	}
}

func TestAttachmentWithoutRedirect(t *testing.T) {
	h, f, sent, own := withFile(t)
	got := ask(h, http.MethodGet, "/v1/attachments/"+string(sent)+"?redirect=0", "_/bob@x.org")
	var file wire.File
	if err := json.Unmarshal([]byte(got.body), &file); err != nil || got.status != 200 {
		t.Fatal(got.status, got.body)
	}
	if left := time.Until(file.Expires.Time); left < 4*time.Minute || left > 6*time.Minute {
		t.Errorf("it expires in %v", left)
	}
	for _, want := range []string{"t=image%2Fpng", "inline%3B+filename%3D%22Gr__e.png%22%3B+filename%2A%3Dutf-8%27%27Gr%25C3%25BC%25C3%259Fe.png"} {
		if !strings.Contains(file.URL, want) {
			t.Errorf("%q is not in %s", want, file.URL)
		}
	}
	file.URL, file.Expires = "", wire.Time{}
	if want := (wire.File{ID: sent, Conv: f.group.Conv, Name: "Grüße.png", Type: "image/png", Size: 3, W: 4, H: 5,
		Thumb: "/v1/attachments/" + string(sent) + "/thumb", Complete: true}); file != want {
		t.Errorf("got %+v", file)
	}
	if got := ask(h, http.MethodGet, file.Thumb, "_/bob@x.org"); got.status != 302 || !strings.Contains(got.header.Get("Location"), "t=image%2Fjpeg") {
		t.Errorf("thumbnail: %d %v", got.status, got.header)
	}
	// What was not looked at is handed out as octets, to be saved.
	own2 := ask(h, http.MethodGet, "/v1/attachments/"+string(own), "_/alice").header.Get("Location")
	if !strings.Contains(own2, "t=application%2Foctet-stream") || !strings.Contains(own2, "d=attachment") || !strings.Contains(own2, "/up/") {
		t.Errorf("%s", own2)
	}
	if got := ask(h, http.MethodGet, "/v1/attachments/"+string(own)+"/thumb", "_/alice"); got.status != 404 {
		t.Errorf("no thumbnail: %d", got.status)
	}
}

func TestAttachmentsOff(t *testing.T) {
	f := newFixture(t)
	got := ask(f.handler(nil), http.MethodGet, "/v1/attachments/"+string(chat.NewAttachmentID(f.group, "alice", "f1")), "_/alice")
	if got.status != 404 {
		t.Errorf("%d", got.status)
	}
}
