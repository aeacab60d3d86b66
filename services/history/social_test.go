package history

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func get[T any](t *testing.T, h http.Handler, path, token string) (v T) {
	t.Helper()
	rec := ask(h, "GET", path, token)
	if rec.status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, rec.status, rec.body)
	}
	if err := json.Unmarshal([]byte(rec.body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBlocksInParts(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	if list := get[wire.List[wire.Block]](t, h, "/v1/blocks", "_/alice"); list.Items == nil || len(list.Items) != 0 {
		t.Errorf("%+v", list)
	}
	var want, got []chat.User
	for i := range 7 {
		peer := chat.User(fmt.Sprint("u", i))
		want = append(want, peer)
		if _, err := f.store.PutBlock(t.Context(), "_", chat.Block{User: "alice", Peer: peer, Version: 1, On: true, Time: time.UnixMilli(int64(i))}); err != nil {
			t.Fatal(err)
		}
	}
	for cursor, more := "", true; more; {
		list := get[wire.List[wire.Block]](t, h, "/v1/blocks?limit=3&cursor="+cursor, "_/alice")
		for _, b := range list.Items {
			got = append(got, b.User)
		}
		cursor, more = list.Next, list.Next != ""
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if list := get[wire.List[wire.Block]](t, h, "/v1/blocks", "other/alice"); len(list.Items) != 0 {
		t.Errorf("another tenant has %+v", list)
	}
	if rec := ask(h, "GET", "/v1/blocks?cursor=!", "_/alice"); rec.status != http.StatusBadRequest {
		t.Errorf("a wrong cursor: %d", rec.status)
	}
}

func TestDevices(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	for device, seen := range map[chat.Device]int64{"phone": 5, "laptop": 9} {
		if err := f.store.TouchDevice(t.Context(), "_", "alice", store.DeviceInfo{Device: device, Seen: at(seen)}); err != nil {
			t.Fatal(err)
		}
	}
	list := get[wire.List[wire.DeviceInfo]](t, h, "/v1/devices", "_/alice")
	if len(list.Items) != 2 || list.Items[0].Device != "laptop" || !list.Items[1].Seen.Equal(at(5)) {
		t.Errorf("%+v", list)
	}
	if d := get[wire.DeviceInfo](t, h, "/v1/devices/phone", "_/alice"); d.Device != "phone" {
		t.Errorf("%+v", d)
	}
	for path, want := range map[string]int{"/v1/devices/tablet": 404, "/v1/devices/a.b": 400} {
		if rec := ask(h, "GET", path, "_/alice"); rec.status != want {
			t.Errorf("%s: %d", path, rec.status)
		}
	}
	if rec := ask(h, "GET", "/v1/devices/phone", "_/bob@x.org"); rec.status != 404 {
		t.Errorf("another's device: %d", rec.status)
	}
}

func TestSeenAndProfile(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	if _, err := f.store.Advance(t.Context(), []store.Move{{Key: f.direct, User: "alice", Read: 1, ReadCount: 1}}); err != nil {
		t.Fatal(err)
	}
	path := "/v1/conversations/" + string(f.direct.Conv) + "/messages/1/seen"
	seen := func() wire.Seen {
		t.Helper()
		list := get[wire.List[wire.Seen]](t, h, path, "_/bob@x.org")
		if len(list.Items) != 1 {
			t.Fatalf("%+v", list)
		}
		return list.Items[0]
	}
	if s := seen(); s != (wire.Seen{User: "alice", Delivered: true, Read: true}) {
		t.Errorf("%+v", s)
	}
	if p := get[wire.Profile](t, h, "/v1/me", "_/alice"); p != (wire.Profile{User: "alice"}) {
		t.Errorf("%+v", p)
	}
	if _, err := f.store.PutProfile(t.Context(), "_", "alice", chat.Profile{Version: 1, HideRead: true}); err != nil {
		t.Fatal(err)
	}
	if s := seen(); s != (wire.Seen{User: "alice", Delivered: true}) {
		t.Errorf("%+v", s)
	}
	if p := get[wire.Profile](t, h, "/v1/me", "_/alice"); !p.HideRead {
		t.Errorf("%+v", p)
	}
	for _, bad := range []string{"0", "2", "x", "99999999999999999999"} {
		rec := ask(h, "GET", "/v1/conversations/"+string(f.direct.Conv)+"/messages/"+bad+"/seen", "_/alice")
		if rec.status != http.StatusNotFound {
			t.Errorf("seq %s: %d", bad, rec.status)
		}
	}
	if rec := ask(h, "GET", path, "_/carol"); rec.status != http.StatusNotFound {
		t.Errorf("a stranger: %d", rec.status)
	}
	f.store.Inject(memstore.Fault{Op: memstore.OpProfiles, Kind: memstore.Fail})
	if rec := ask(h, "GET", path, "_/bob@x.org"); rec.status != http.StatusServiceUnavailable {
		t.Errorf("without profiles: %d", rec.status)
	}
}

func TestExportIsOnesOwn(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	a := ask(h, "GET", "/v1/export", "_/bob@x.org")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/x-ndjson" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if n, _ := strconv.Atoi(a.header.Get("Content-Length")); n != len(a.body) || !strings.HasSuffix(a.body, `{"type":"end"}`+"\n") {
		t.Errorf("a part that is cut could not be told: %v, %q", a.header, a.body)
	}
	for _, want := range []string{"without carol", `"hi"`, `"type":"membership"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if strings.Contains(a.body, "for all") {
		t.Errorf("alice's words in %s", a.body)
	}
	for path, want := range map[string]int{"/v1/export?user=alice": 403, "/v1/export?user=bob%40x.org": 200, "/v1/export?user=%20": 400, "/v1/export?cursor=!": 400} {
		if a := ask(h, "GET", path, "_/bob@x.org"); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
