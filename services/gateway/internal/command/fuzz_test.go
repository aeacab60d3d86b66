package command

import (
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// FuzzCommand: what can be decoded becomes a command whose ids have their form, the
// same frame becomes the same command, and its judgement by any state is an entry of
// its conversation or an error that a client may see.
func FuzzCommand(f *testing.F) {
	const conv = `"conv":"g_abcdefghijklmnopqrstuvwxyz","cmid":"c1"`
	for _, s := range []string{
		`{"type":"send","to":"bob","cmid":"c1","body":{"text":"x"},"mentions":["bob"],"reply_to":3}`,
		`{"type":"send","to":"alice","cmid":"c1","body":{"data":{"$gt":""}}}`,
		`{"type":"send",` + conv + `,"body":{"text":"x","attachments":[{"id":"a_gjpk4j7b36ucspkzkwvp6hgvxu","name":"n","type":"t","size":1}]}}`,
		`{"type":"edit",` + conv + `,"target":1,"body":{"text":"y"}}`,
		`{"type":"recall",` + conv + `,"target":1}`,
		`{"type":"react",` + conv + `,"target":1,"emoji":"👍","on":true}`,
	} {
		f.Add([]byte(s), int64(5), uint8(1))
	}
	lim := chat.Limits{}.WithDefaults()
	actor := Actor{NS: chat.DefaultNS, User: "alice"}
	f.Fuzz(func(t *testing.T, data []byte, head int64, role uint8) {
		frame, _, cerr := wire.Decode(data, lim)
		if cerr != nil {
			return
		}
		c, again := of(actor, frame), of(actor, frame)
		if c == nil {
			return
		}
		if !c.Key.Conv.Valid() || c.Key.NS != actor.NS || c.From != actor.User || !c.CMID.Valid() || c.Size <= 0 || c.Target < 0 {
			t.Fatalf("%s: %+v", data, c)
		}
		if c.Hash != again.Hash || c.Key != again.Key {
			t.Fatalf("%s: two commands of one frame", data)
		}
		if c.New != nil && c.New.Key != c.Key {
			t.Fatalf("%s: makes %v", data, c.New.Key)
		}
		e, refused := c.Judge(stateFor(c, head, role))
		switch {
		case refused != nil && (refused.Code == chat.CodeInternal || refused.Code == chat.CodeUnavailable || refused.Message == ""):
			t.Fatalf("%s: %v", data, refused)
		case refused == nil && (e.Kind == "" || e.Target != c.Target || e.Time.IsZero()):
			t.Fatalf("%s became %+v", data, e)
		}
	})
}

// stateFor is the conversation of a command, with a head, and with alice in one of
// her roles, before and after she left.
func stateFor(c *Command, head int64, role uint8) *state.State {
	conv := chat.Conversation{Key: c.Key, Kind: chat.Group, Floor: 1, History: chat.HistoryJoined}
	conv.Last = chat.Last{Seq: chat.Seq(head), Members: 2}
	if c.Key.Conv[0] == 'd' {
		conv.Kind, conv.Users = chat.Direct, []chat.User{"alice", "bob"}
	}
	roles := []chat.Role{chat.RoleOwner, chat.RoleAdmin, chat.RoleMember, chat.RoleMuted}
	m := chat.Member{Key: c.Key, User: "alice", Role: roles[int(role)%len(roles)], Joined: 1}
	if role >= 128 {
		m.Left = max(1, chat.Seq(head))
	}
	if role >= 192 {
		conv.Closed = 1
	}
	return state.New(conv, []chat.Member{m})
}

func of(a Actor, frame wire.Frame) *Command {
	switch f := frame.(type) {
	case *wire.Send:
		return Send(a, f)
	case *wire.Edit:
		return Edit(a, f)
	case *wire.Recall:
		return Recall(a, f)
	case *wire.React:
		return React(a, f)
	}
	return nil
}
