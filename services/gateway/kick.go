package gateway

import (
	"maps"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/session"
)

// kick says that a device has a new session: older ones end.
type kick struct {
	Kick    int         `json:"kick"` // version
	NS      chat.NS     `json:"ns"`
	User    chat.User   `json:"user"`
	Device  chat.Device `json:"device"`
	Attempt int64       `json:"attempt"`
	Session string      `json:"session"`
}

// newer decides between two sessions of one device: the later attempt, then the
// later session. Every pod decides the same, so a kick needs no answer.
func (k *kick) newer(attempt int64, session string) bool {
	return k.Attempt > attempt || k.Attempt == attempt && k.Session > session
}

// siblings are the sessions of a kick's device on this pod.
func (g *Gateway) siblings(k *kick) []*session.Session {
	var list []*session.Session
	for _, sink := range g.table.Sessions(k.NS, k.User) {
		if s, ok := sink.(*session.Session); ok && s.Identity().Device == k.Device {
			list = append(list, s)
		}
	}
	return list
}

func (g *Gateway) onControl(data []byte) {
	var k kick
	if err := json.Unmarshal(data, &k); err != nil || k.Kick != 1 || mutant.Is(mutant.IgnoreKick) {
		return // of a later version
	}
	for _, s := range g.siblings(&k) {
		if o := s.Identity(); k.newer(o.Attempt, o.ID) {
			s.Close(chat.CloseReplaced, "this device has connected elsewhere")
		}
	}
}

// replaceOlder ends the older sessions of s's device on this pod, or s, if a newer
// one is there already; and tells the other pods.
func (g *Gateway) replaceOlder(s *session.Session) {
	id := s.Identity()
	k := kick{Kick: 1, NS: id.NS, User: id.User, Device: id.Device, Attempt: id.Attempt, Session: id.ID}
	for _, other := range g.siblings(&k) {
		if other == s {
			continue
		}
		if o := other.Identity(); k.newer(o.Attempt, o.ID) {
			other.Close(chat.CloseReplaced, "this device has connected again")
		} else if !other.Closing() {
			s.Close(chat.CloseReplaced, "this device has connected again")
		}
	}
	left := 2
	if g.tellKick(&k) {
		left--
	}
	g.kicks.add(s, &waitingKick{k, left})
}

// tellKick tells the other pods of a kick; false: the bus did not take it.
func (g *Gateway) tellKick(k *kick) bool {
	if err := g.opts.Bus.Publish(bus.TopicControl, wire.Encode(k)); err != nil {
		g.stats.unheard.Add(1)
		return false
	}
	return true
}

// kickAgain tells the kicks that wait once more.
func (g *Gateway) kickAgain() {
	for s, w := range g.kicks.list() {
		if !g.tellKick(&w.kick) {
			return // the bus is away
		}
		g.kicks.told(s)
	}
}

// kicks are those that the bus has not taken twice yet: at most once delivered, a
// single kick could leave a device two sessions. The zero value is ready.
type kicks struct {
	mu      sync.Mutex
	waiting map[*session.Session]*waitingKick
}

type waitingKick struct {
	kick kick
	left int // how often it is still to be told
}

func (k *kicks) add(s *session.Session, w *waitingKick) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting == nil {
		k.waiting = make(map[*session.Session]*waitingKick)
	}
	k.waiting[s] = w
}

func (k *kicks) list() map[*session.Session]*waitingKick {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.waiting)
}

func (k *kicks) told(s *session.Session) {
	k.mu.Lock()
	w := k.waiting[s]
	over := false
	if w != nil {
		w.left--
		over = w.left <= 0
	}
	k.mu.Unlock()
	if over {
		k.forget(s)
	}
}

// forget ends the telling of a session that is over, or was told of often enough.
func (k *kicks) forget(s *session.Session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.waiting, s)
	if len(k.waiting) == 0 {
		k.waiting = nil // a map does not shrink, and this one was large after a storm
	}
}
