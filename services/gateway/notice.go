package gateway

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/route"
	"github.com/parley-chat/parley/services/gateway/internal/session"
)

// notice tells the sessions of one user something, on every pod: a frame for those
// that are in a conversation, or that a device was removed.
type notice struct {
	Notice int            `json:"notice"` // version
	Epoch  string         `json:"epoch"`
	NS     chat.NS        `json:"ns"`
	User   chat.User      `json:"user"`
	Conv   chat.ConvID    `json:"conv,omitempty"`
	Frame  jsontext.Value `json:"frame,omitempty"`
	Device chat.Device    `json:"device,omitempty"`
	Before string         `json:"before,omitempty"` // sessions that began later stay
	Hide   *bool          `json:"hide,omitempty"`   // the user's hide_read
	Erased chat.Seq       `json:"erased,omitzero"`  // what User wrote in Conv up to it was taken away
	Block  *blockNotice   `json:"block,omitempty"`  // that the user has switched
	// Revoked: look at the revocations now. What was revoked is read from the store
	// and never believed to a message.
	Revoked bool `json:"revoked,omitzero"`
}

// blockNotice is a block on its way to who is told of its user.
type blockNotice struct {
	Peer    chat.User `json:"peer"`
	Version int64     `json:"version"`
	On      bool      `json:"on,omitzero"`
}

// noticePrefix is how a notice begins, among what else is said on its subject.
var noticePrefix = []byte(`{"notice":`)

// say gives a notice to the sessions here, and to the other pods.
func (g *Gateway) say(n *notice) {
	n.Notice, n.Epoch = 1, *g.epoch.Load()
	g.heed(n)
	left := 1
	if n.Device != "" || n.Block != nil || n.Erased != 0 {
		left = 2 // nothing else would end that session, or a watch's view, or take text out of a ring
	}
	data := wire.Encode(n)
	if g.publishNotice(data) {
		left--
	}
	if left > 0 {
		g.notices.add(waitingNotice{data, left})
	}
}

func (g *Gateway) publishNotice(data []byte) bool {
	if err := g.opts.Bus.Publish(bus.TopicControl, data); err != nil {
		g.stats.unheard.Add(1)
		return false
	}
	return true
}

// sayAgain says what the bus has not taken often enough. It comes with every beat.
func (g *Gateway) sayAgain() {
	for _, w := range g.notices.take() {
		if g.publishNotice(w.data) {
			w.left--
		}
		if w.left > 0 {
			g.notices.add(w)
		}
	}
}

// onSocial takes what is said on the control subject.
func (g *Gateway) onSocial(data []byte) {
	if !bytes.HasPrefix(data, noticePrefix) {
		if g.onPods(data) {
			return
		}
		g.onControl(data)
		return
	}
	var n notice
	if err := json.Unmarshal(data, &n); err != nil || n.Notice != 1 || n.Epoch != *g.epoch.Load() {
		g.stats.foreign.Add(1)
		return
	}
	g.heed(&n)
}

// heed gives a notice to the sessions of this pod.
func (g *Gateway) heed(n *notice) {
	if n.Erased != 0 {
		key := chat.Key{NS: n.NS, Conv: n.Conv}
		g.commit.Unlearn(key)
		dropped := g.table.Erase(key, func() []byte {
			return wire.Encode(&wire.Erased{Type: "erased", Conv: n.Conv, User: n.User, Seq: n.Erased})
		})
		g.stats.dropped.Add(uint64(dropped))
		return
	}
	if n.Revoked {
		g.revoked.Look()
		return
	}
	if n.Hide != nil && len(g.table.Sessions(n.NS, n.User)) > 0 {
		g.hiders.set(route.UserKey{NS: n.NS, User: n.User}, *n.Hide)
	}
	if b := n.Block; b != nil {
		g.presence.Blocked(n.NS, chat.Block{User: n.User, Peer: b.Peer, Version: b.Version, On: b.On})
	}
	for _, sink := range g.table.Sessions(n.NS, n.User) {
		s, ok := sink.(*session.Session)
		if !ok {
			continue
		}
		if id := s.Identity(); n.Device != "" && id.Device == n.Device && id.ID < n.Before {
			s.Close(chat.CloseUnauthorized, "this device was removed")
		}
		if _, in := s.Known(chat.Key{NS: n.NS, Conv: n.Conv}); in && n.Frame != nil {
			s.Answer(n.Frame)
		}
	}
}

// maxNotices is how many may wait for the bus; the oldest gives way. A pod whose bus
// is away for so long has other sorrows, and what they say is stored.
const maxNotices = 1024

// notices are those that wait for the bus. The zero value is ready.
type notices struct {
	mu      sync.Mutex
	waiting []waitingNotice
}

type waitingNotice struct {
	data []byte
	left int // how often it is still to be said
}

func (q *notices) add(w waitingNotice) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == maxNotices {
		q.waiting = q.waiting[1:]
	}
	q.waiting = append(q.waiting, w)
}

func (q *notices) take() []waitingNotice {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting
	q.waiting = nil
	return list
}
