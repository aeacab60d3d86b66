package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

const conv = "d_abcdefghijklmnop"

// lying is a server that answers hello and then says what a test wants.
func lying(t *testing.T, frames ...string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		ctx := r.Context()
		if _, _, err := c.Read(ctx); err != nil {
			t.Error(err)
		}
		head := []string{
			`{"type":"welcome","epoch":"e","server":"liar","limits":{"sends_per_s":1000}}`,
			`{"type":"synced","time":"2026-01-01T00:00:00.000Z"}`,
			`{"type":"conversation","conv":"` + conv + `","joined":1}`,
		}
		for _, f := range append(head, frames...) {
			if err := c.Write(ctx, websocket.MessageText, []byte(f)); err != nil {
				t.Error(err)
			}
		}
		_ = c.Close(4508, "enough")
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// said is the frame of a message as the honest server would send it.
func said(r *run, seq, number int, change ...string) string {
	text := r.id + " " + string(appendStamp(nil, stamp{0, int64(number), 5}, ' ')) + " "
	text += strings.Repeat("x", r.Size-len(text))
	f := fmt.Sprintf(`{"type":"message","conv":"%s","seq":%d,"from":"other","cmid":"c","count":%d,"body":{"text":"%s"}}`, conv, seq, seq, text)
	return strings.NewReplacer(change...).Replace(f)
}

// Each fault of a server is found, and counted as what it is.
func TestFaultsAreFound(t *testing.T) {
	type script func(r *run) []string
	for name, c := range map[string]struct {
		script script
		want   Checks
	}{
		"honest":    {func(r *run) []string { return []string{said(r, 1, 1), said(r, 2, 2)} }, Checks{Received: 2}},
		"loss":      {func(r *run) []string { return []string{said(r, 1, 1)} }, Checks{Received: 1, Lost: 1}},
		"gap":       {func(r *run) []string { return []string{said(r, 1, 1), said(r, 4, 2)} }, Checks{Received: 2, Gaps: 2}},
		"skipped":   {func(r *run) []string { return []string{said(r, 1, 2)} }, Checks{Disordered: 1}},
		"overtaken": {func(r *run) []string { return []string{said(r, 1, 2), said(r, 2, 1)} }, Checks{Disordered: 1, Duplicates: 1}},
		"seq again": {func(r *run) []string { return []string{said(r, 1, 1), said(r, 1, 2)} }, Checks{Received: 2, Duplicates: 1}},
		"again":     {func(r *run) []string { return []string{said(r, 1, 1), said(r, 2, 1), said(r, 3, 2)} }, Checks{Received: 2, Duplicates: 1}},
		"altered":   {func(r *run) []string { return []string{said(r, 1, 1, "xx", "x"), said(r, 2, 2)} }, Checks{Altered: 1, Disordered: 1}},
		"other's":   {func(r *run) []string { return []string{said(r, 1, 1, "other", "me"), said(r, 2, 2)} }, Checks{Altered: 1, Disordered: 1}},
		"rewritten": {func(r *run) []string { return []string{said(r, 1, 1), said(r, 2, 2, r.id, "another"), said(r, 3, 2)} }, Checks{Received: 2, Altered: 1}},
		"refused": {func(r *run) []string {
			return []string{said(r, 1, 1), said(r, 2, 2), `{"type":"error","code":"internal","message":"x"}`}
		}, Checks{Received: 2, Refused: 1}},
		"reset": {func(r *run) []string {
			return []string{said(r, 1, 1), `{"type":"reset","conv":"` + conv + `","epoch":"e","next":5}`, said(r, 5, 2)}
		}, Checks{Received: 2, Resets: 1}},
		"unread": {func(r *run) []string { return []string{said(r, 1, 1), said(r, 2, 2), `{"type":"x"`} }, Checks{Received: 2, Failed: 1}},
		"foreign": {func(r *run) []string {
			return []string{said(r, 1, 1), said(r, 2, 2), strings.ReplaceAll(said(r, 1, 1), "op\"", "oq\"")}
		}, Checks{Received: 2, Failed: 1}},
		"other kind": {func(r *run) []string {
			return []string{said(r, 1, 1), `{"type":"new","conv":"` + conv + `","seq":2,"count":1}`, said(r, 3, 2)}
		}, Checks{Received: 2}},
		"ack": {func(r *run) []string {
			return []string{said(r, 1, 1), said(r, 2, 2), `{"type":"ack","cmid":"x-0-1-5"}`}
		}, Checks{Received: 2, Altered: 1}},
	} {
		r, err := newRun(Pairs, Options{URLs: []string{""}, Settings: Settings{Size: 60, AtOnce: 1}})
		if err != nil {
			t.Fatal(err)
		}
		r.URLs = []string{lying(t, c.script(r)...)}
		r.Token = func(context.Context, chat.User) (string, error) { return "token", nil }
		d, err := r.newDevice(t.Context(), "me", "bench", 0)
		if err != nil {
			t.Fatal(err)
		}
		f := r.newFlow(conv, &device{user: "other"}, d)
		f.next = 2
		if err := r.connect(t.Context(), r.devices); err != nil {
			t.Fatal(err)
		}
		r.readers.Wait() // the server closes, which is one more fault
		r.judge()
		got := r.report.Checks
		if got.Closed != 1 || r.report.OK {
			t.Errorf("%s: closed %d, OK %v", name, got.Closed, r.report.OK)
		}
		got.Closed, got.First = 0, nil
		if fmt.Sprint(got) != fmt.Sprint(c.want) || got.Received != c.want.Received {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
		r.close()
	}
}

// An ack out of order, twice, or of a repeat is a fault of the one who sent it.
func TestFaultsOfAcks(t *testing.T) {
	ack := func(n int, more string) string {
		return fmt.Sprintf(`{"type":"ack","conv":%q,"seq":%d,"cmid":"X-0-%d-5"%s}`, conv, n, n, more)
	}
	for name, c := range map[string]struct {
		frames []string
		want   Checks
	}{
		"good":    {[]string{ack(1, ""), ack(2, "")}, Checks{}},
		"again":   {[]string{ack(1, ""), ack(1, ""), ack(2, "")}, Checks{Duplicates: 1}},
		"dup":     {[]string{ack(1, ""), ack(2, `,"dup":true`)}, Checks{Duplicates: 1}},
		"skipped": {[]string{ack(2, "")}, Checks{Disordered: 1}},
	} {
		r, err := newRun(Pairs, Options{Settings: Settings{Size: 60, AtOnce: 1}})
		if err != nil {
			t.Fatal(err)
		}
		r.URLs = []string{lying(t, c.frames...)}
		r.Token = func(context.Context, chat.User) (string, error) { return "token", nil }
		d, err := r.newDevice(t.Context(), "me", "bench", 0)
		if err != nil {
			t.Fatal(err)
		}
		r.newFlow(conv, d)
		r.stopping.Store(true)
		if err := r.connect(t.Context(), r.devices); err != nil {
			t.Fatal(err)
		}
		r.readers.Wait()
		got := r.checks()
		got.Closed, got.First = 0, nil
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
		r.close()
	}
}

// A message that nobody answers is waited for as long as is set, and told.
func TestSettleGivesUp(t *testing.T) {
	r, err := newRun(Pairs, Options{Settings: Settings{Drain: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	d := &device{user: "me"}
	r.newFlow(conv, d, d).next = 3
	if err := r.settle(t.Context()); err != nil || r.Failed.Load() != 1 {
		t.Error(err, r.Failed.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.settle(ctx); err == nil {
		t.Error("no error")
	}
}
