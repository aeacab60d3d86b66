package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/presence"
)

// newPresence makes this pod's part of presence and typing.
func (g *Gateway) newPresence() *presence.Tracker {
	o := g.opts.presence
	o.Publish = func(data []byte) error { return g.opts.Bus.Publish(bus.TopicSignals, data) }
	o.Pod = g.journal.Pod
	o.Epoch = func() string { return *g.epoch.Load() }
	o.Pods = g.opts.Store.Pods
	o.LastSeen = g.lastSeen
	o.Seen = g.wasHere
	o.Typing = g.typed
	o.Peer = g.table.Other
	o.Blocked = g.blocked
	o.Log = g.log
	return presence.New(o)
}

// wasHere writes down a device's last visit. One that is not listed any more has been
// removed, which may be why its session ended: it must not come back by that.
func (g *Gateway) wasHere(ctx context.Context, u presence.User, d store.DeviceInfo) error {
	devices, err := g.opts.Store.Devices(ctx, u.NS, u.User)
	if err != nil {
		return fmt.Errorf("read devices: %w", err)
	}
	if !has(devices, d.Device) {
		return nil
	}
	return g.opts.Store.TouchDevice(ctx, u.NS, u.User, d)
}

// lastSeen is when the latest of a user's devices was seen.
func (g *Gateway) lastSeen(ctx context.Context, u presence.User) (last time.Time, err error) {
	err = g.reads.do(ctx, func(ctx context.Context) error {
		devices, err := g.opts.Store.Devices(ctx, u.NS, u.User)
		if err != nil {
			return fmt.Errorf("read devices: %w", err)
		}
		for _, d := range devices {
			if d.Seen.After(last) {
				last = d.Seen
			}
		}
		return nil
	})
	return last, err
}

// typed tells this pod's sessions in a conversation that somebody types there. Like
// receipts it goes to conversations of at most limits.receipt_members.
func (g *Gateway) typed(ty presence.Typing) {
	dropped := g.table.Signal(ty.Key, ty.User, g.opts.Limits.ReceiptMembers, func() []byte {
		return wire.Encode(&wire.TypingBy{Type: "typing", Conv: ty.Key.Conv, User: ty.User, On: ty.On})
	})
	g.stats.dropped.Add(uint64(dropped))
}

// onTyping takes a typing frame. There is no answer where it is right, and it costs
// no read where the session is in the conversation, which is the rule. That somebody
// types who may not send is told to nobody.
func (c *client) onTyping(f *wire.Typing, ref string) {
	self := c.s.Identity()
	t := presence.Typing{Key: chat.Key{NS: self.NS, Conv: f.Conv}, User: self.User, On: *f.On}
	if muted, in := c.s.Muted(t.Key); in {
		if !muted || !t.On {
			c.g.presence.Type(t)
		}
		return
	}
	c.later(ref, func(ctx context.Context) error {
		part, err := c.g.view.Access(ctx, t.Key, t.User)
		if err == nil && (part.Former() || part.Conversation.Closed != 0) {
			err = chat.Errorf(chat.CodeForbidden, "you are not a member any more, or the group is closed")
		}
		if err == nil && (part.Member.Role != chat.RoleMuted || !t.On) {
			c.g.presence.Type(t)
		}
		return err
	})
}

// blocked reads blocks for presence and typing.
func (g *Gateway) blocked(ctx context.Context, pairs []store.Pair) (found map[store.Pair]chat.Block, err error) {
	err = g.reads.do(ctx, func(ctx context.Context) error {
		found, err = g.opts.Store.BlocksAmong(ctx, pairs)
		return err
	})
	return found, err
}

// onWatch takes a watch frame; its answers are presence frames. For each user of it the
// other pods are asked, and a block is read, so a client that goes on replacing its list
// is held back: it has a list anew in a second, and twice that at once.
func (c *client) onWatch(f *wire.Watch, ref string) {
	self := c.s.Identity()
	if c.watched == nil {
		c.watched = newBucket(c.g.opts.Limits.Watch)
	}
	if n := len(f.Users); !c.watched.take(n, time.Now()) {
		c.refuse(ref, &chat.Error{Code: chat.CodeRateLimited, Message: "too many users are watched anew", RetryAfter: c.watched.wait(n)})
		return
	}
	if cerr := c.g.presence.Watch(c.s, presence.User{NS: self.NS, User: self.User}, f.Users, c.g.opts.Limits.Watch); cerr != nil {
		c.refuse(ref, cerr)
	}
}

// onUnwatch takes an unwatch frame.
func (c *client) onUnwatch(f *wire.Unwatch) {
	c.g.presence.Unwatch(c.s, c.s.Identity().NS, f.Users)
}

// present says that the session is there, and absent that it is gone.
func (c *client) present() {
	self := c.s.Identity()
	c.g.presence.Connected(presence.User{NS: self.NS, User: self.User})
}

func (c *client) absent() {
	self := c.s.Identity()
	c.g.presence.Gone(c.s)
	c.g.presence.Disconnected(presence.User{NS: self.NS, User: self.User}, self.Device)
}

// Online is what this pod knows of who is online, over all pods.
type Online struct {
	Pod      string `json:"pod"`
	Users    int    `json:"users"`    // on this pod
	Pods     int    `json:"pods"`     // that are heard
	Cluster  int    `json:"cluster"`  // users over all pods; who is on two counts twice
	Sessions int    `json:"sessions"` // over all pods
	Watched  int    `json:"watched"`  // users who are watched on this pod
}

// Online returns the present counts; it does not block.
func (g *Gateway) Online() Online {
	s := g.presence.Stats()
	return Online{Pod: g.Pod(), Users: s.Users, Pods: s.Pods, Cluster: s.ClusterUsers, Sessions: s.ClusterSessions, Watched: s.Subjects}
}
