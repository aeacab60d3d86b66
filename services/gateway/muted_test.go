package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// typesBefore has carol's frames dealt with before bob types: what alice is told first
// says whether she is told of carol.
func typesBefore(conv chat.ConvID, carol, bob *conn) {
	carol.send(`{"type":"typing","conv":%q,"on":true}`, conv)
	carol.send(`{"type":"ping"}`)
	expect[*wire.Pong](carol)
	bob.send(`{"type":"typing","conv":%q,"on":true}`, conv)
}

// role waits until the session has been told of one's role.
func (k *conn) role(want chat.Role) {
	k.t.Helper()
	for f := expect[*wire.Conversation](k); f.Role != want; f = expect[*wire.Conversation](k) {
	}
}

func TestMutedMemberTypesUnheard(t *testing.T) {
	for name, again := range map[string]bool{"muted while connected": false, "muted before": true} {
		t.Run(name, func(t *testing.T) {
			c := signalCluster(t, 1)
			conv := c.group("alice", "bob", "carol")
			carol, missed := c.login(0, "carol", "")
			if status := c.setRole("alice", conv, "carol", "muted", "mute"); status != http.StatusOK {
				t.Fatal(status)
			}
			carol.role(chat.RoleMuted)
			if again { // with nothing to be told of it there
				carol.send(`{"type":"recv","conv":%q,"seq":%d}`, conv, len(missed)+1)
				expect[*wire.Receipt](carol)
				_ = carol.ws.CloseNow()
				if carol, missed = c.login(0, "carol", ""); len(missed) != 0 {
					t.Fatalf("%+v", missed)
				}
			}
			alice, _ := c.login(0, "alice", "")
			bob, _ := c.login(0, "bob", "")
			typesBefore(conv, carol, bob)
			if f := expect[*wire.TypingBy](alice); f.User != "bob" {
				t.Fatalf("%+v", f)
			}
			bob.send(`{"type":"typing","conv":%q,"on":false}`, conv)
			if f := expect[*wire.TypingBy](alice); f.User != "bob" || f.On {
				t.Fatalf("%+v", f)
			}
			if status := c.setRole("alice", conv, "carol", "member", fmt.Sprint("unmute", again)); status != http.StatusOK {
				t.Fatal(status)
			}
			carol.role(chat.RoleMember)
			carol.send(`{"type":"typing","conv":%q,"on":true}`, conv)
			if f := expect[*wire.TypingBy](alice); f.User != "carol" {
				t.Fatalf("%+v", f)
			}
		})
	}
}
