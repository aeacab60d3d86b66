package verify

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// knownMessages is how many messages of a conversation a device changes: the latest.
const knownMessages = 16

var emoji = []string{"👍", "❤️", "😂", "🎉", "🏳️‍🌈"}

// known is the messages that a device has seen and may change. Its methods are
// called by the sender and by the client's Handler.
type known struct {
	user chat.User

	mu      sync.Mutex
	convs   map[chat.ConvID][]wire.Entry // the latest messages, without those recalled
	on      map[reaction]bool            // asked for by this device
	pending map[chat.CMID]bool           // changes without an answer
}

type reaction struct {
	conv   chat.ConvID
	target chat.Seq
	emoji  string
}

func newKnown(user chat.User) *known {
	return &known{user: user, convs: map[chat.ConvID][]wire.Entry{}, on: map[reaction]bool{}, pending: map[chat.CMID]bool{}}
}

// saw takes an entry of the stream.
func (k *known) saw(e *wire.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case e.Type == string(chat.KindRecalled):
		k.dropLocked(e.Conv, e.Target)
	case e.Type == string(chat.KindMessage) && !e.Gone:
		list := append(k.convs[e.Conv], wire.Entry{Seq: e.Seq, From: e.From})
		k.convs[e.Conv] = list[max(0, len(list)-knownMessages):]
	}
}

func (k *known) dropLocked(conv chat.ConvID, seq chat.Seq) {
	k.convs[conv] = slices.DeleteFunc(k.convs[conv], func(e wire.Entry) bool { return e.Seq == seq })
}

// answered reports whether a command that has its outcome was a change.
func (k *known) answered(cmid chat.CMID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	change := k.pending[cmid]
	delete(k.pending, cmid)
	return change
}

// change makes a frame that changes one of the latest messages of a conversation: half
// of the time a reaction to any of them, else an edit or, less often, a recall of an
// own one. Nil: there is none to change.
func (k *known) change(rng *rand.Rand, conv chat.ConvID, body []byte) wire.Frame {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.convs[conv]
	if len(list) == 0 {
		return nil
	}
	target := list[rng.IntN(len(list))]
	cmid := client.NewCMID()
	k.pending[cmid] = true
	switch what := rng.IntN(8); {
	case what < 4 || target.From != k.user:
		r := reaction{conv, target.Seq, emoji[rng.IntN(len(emoji))]}
		on := !k.on[r]
		k.on[r] = on
		return &wire.React{Conv: conv, Target: &target.Seq, CMID: cmid, Emoji: r.emoji, On: &on}
	case what < 7:
		return &wire.Edit{Conv: conv, Target: &target.Seq, CMID: cmid, Body: body}
	}
	k.dropLocked(conv, target.Seq)
	return &wire.Recall{Conv: conv, Target: &target.Seq, CMID: cmid}
}
