package gateway

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// keyless is a verifier whose keys could not be fetched.
type keyless struct{}

func (keyless) Verify(string) (auth.Identity, error) {
	return auth.Identity{}, &auth.Error{Reason: auth.ReasonNoKeys}
}

// While no key is there, nobody is told to get another token.
func TestTokensThatCannotBeChecked(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.Verifier = keyless{} })
	if status := c.rest("POST", "/v1/messages", "alice", `{}`, nil); status != http.StatusServiceUnavailable {
		t.Errorf("REST: %d", status)
	}
	_, res, err := c.dialRaw(0, http.Header{"Authorization": {"Bearer x"}})
	if err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("header: %v", err)
	}
	for name, protocols := range map[string][]string{"subprotocol": {wire.Subprotocol, wire.BearerPrefix + "x"}, "hello": nil} {
		ws, _, err := c.dialRaw(0, nil, protocols...)
		if err != nil {
			t.Fatal(err)
		}
		k := &conn{t, ws}
		if protocols == nil {
			k.send(`{"type":"hello","token":"x"}`)
		}
		if code := k.closed(); code != websocket.StatusCode(chat.CloseTryLater) {
			t.Errorf("%s: closed with %d", name, code)
		}
	}
}
