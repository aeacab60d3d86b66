package verify

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

// meddler does something once, right before the first request for messages.
type meddler struct {
	http.RoundTripper
	meddle func()
}

func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	if meddle := m.meddle; meddle != nil && strings.HasSuffix(r.URL.Path, "/messages") {
		m.meddle = nil
		meddle()
	}
	return m.RoundTripper.RoundTrip(r)
}

// What is stored between the two halves of a reading, the log and the folded view, is
// no difference between them: a run that is cut off leaves commands on their way.
func TestReadBackWhileEntriesAreStored(t *testing.T) {
	c := cluster(t)
	token := func(_ context.Context, u chat.User) (string, error) { return c.Token(u) }
	for what, late := range map[string]struct {
		kind, method, path string
		in                 any
	}{
		"message":  {"message", http.MethodPost, "/v1/messages", map[string]any{"cmid": "late", "body": map[string]any{"text": "late"}}},
		"edit":     {"edited", http.MethodPatch, "/messages/2", map[string]any{"cmid": "late", "body": map[string]any{"text": "late"}}},
		"recall":   {"recalled", http.MethodDelete, "/messages/2?cmid=late", nil},
		"reaction": {"reacted", http.MethodPut, "/messages/2/reactions/%F0%9F%91%80?cmid=late", nil},
	} {
		t.Run(what, func(t *testing.T) {
			writer, reader := newAPI(c.URLs[0], token), newAPI(c.URLs[0], token)
			defer writer.close()
			defer reader.close()
			made, err := writer.createGroup(t.Context(), "alice", "a group", []chat.User{"bob"}, chat.CMID("group-"+what))
			if err != nil {
				t.Fatal(err)
			}
			write := func(method, path string, in any) {
				if body, ok := in.(map[string]any); ok && path == "/v1/messages" {
					body["conv"] = made.Conv
				} else {
					path = convPath(made.Conv, path)
				}
				if err := writer.do(t.Context(), "alice", method, path, in, nil); err != nil {
					t.Error(err)
				}
			}
			write(http.MethodPost, "/v1/messages", map[string]any{"cmid": "first", "body": map[string]any{"text": "first"}})

			reader.http.Transport = &meddler{reader.http.Transport, func() { write(late.method, late.path, late.in) }}
			conv, err := reader.readConv(t.Context(), made.Conv, []chat.User{"alice", "bob"})
			if err != nil {
				t.Fatal(err)
			}
			fact := func(typ string, cmid chat.CMID) Fact {
				return Fact{Conv: made.Conv, Type: typ, From: "alice", CMID: cmid}
			}
			v := Check(&History{
				Convs: map[chat.ConvID]*Conv{made.Conv: conv},
				Made:  []Fact{fact("members", chat.CMID("group-"+what)), fact("message", "first"), fact(late.kind, "late")},
			})
			if len(v.Counts) != 0 || conv.Head != 3 || len(conv.Entries) != 3 {
				t.Errorf("head %d: %+v", conv.Head, v.Violations)
			}
		})
	}
}

// What had no time to arrive is no violation; once all had their outcome, it is.
func TestCutOffHistory(t *testing.T) {
	h := good()
	h.Clients[1].drop(Entry, 3)
	h.Restless = "only 3 of 4 messages could be sent"
	v := Check(h)
	if len(v.Counts) != 0 || v.Unjudged["I6"] != "the run did not come to rest: only 3 of 4 messages could be sent" {
		t.Errorf("%+v", v)
	}
	h.Restless = ""
	if v = Check(h); v.Counts["I6"] != 1 || v.Unjudged["I6"] != "" {
		t.Errorf("%+v", v)
	}
}
