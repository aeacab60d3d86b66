package command

import (
	"github.com/parley-chat/parley/pkg/chat"
)

// Directs remembers the direct conversations that one user writes to: what their
// ids are is a hash, and what to make where there is none the same every time. The
// zero value is ready; it is one reader's, not safe for concurrent use.
type Directs struct {
	byPeer map[chat.User]*direct
}

// mostDirects is how many are remembered; then all are forgotten.
const mostDirects = 64

// direct is a direct conversation as it would be made: users are not registered, a
// name is enough. It is shared by commands, and not changed.
type direct struct {
	conversation chat.Conversation
	members      []chat.Member
}

func (d *Directs) of(a Actor, peer chat.User) *direct {
	if found := d.byPeer[peer]; found != nil {
		return found
	}
	if d.byPeer == nil || len(d.byPeer) >= mostDirects {
		d.byPeer = make(map[chat.User]*direct)
	}
	made := newDirect(a, peer)
	d.byPeer[peer] = made
	return made
}

func newDirect(a Actor, peer chat.User) *direct {
	lo, hi := min(a.User, peer), max(a.User, peer)
	key := chat.Key{NS: a.NS, Conv: chat.DirectID(a.NS, lo, hi)}
	users := []chat.User{lo, hi}
	if lo == hi {
		users = users[:1]
	}
	d := &direct{conversation: chat.Conversation{Key: key, Kind: chat.Direct, Users: users, Created: now(), Floor: 1, History: chat.HistoryJoined}}
	for _, u := range users {
		d.members = append(d.members, chat.Member{Key: key, User: u, Role: chat.RoleMember, Joined: 1})
	}
	return d
}
