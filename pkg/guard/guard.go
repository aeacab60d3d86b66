// Package guard bounds what one address and one user may ask of a pod, before the
// steps of a message's way are taken: connections, handshakes, failed
// authentications, requests, sends. It knows the address of a client behind proxies.
//
// All limits hold per pod, so that nobody has to be asked: a cluster of n pods takes
// n times as much from somebody who is spread over all of them.
package guard

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// sendShards is among how many locks users' sends are divided.
const sendShards = 16

// Options are the limits. Zero: there is none.
type Options struct {
	// Trusted are the proxies whose X-Forwarded-For is believed. Nil: nobody's.
	Trusted []netip.Prefix
	// Forwarded: they write Forwarded (RFC 7239), and what stands in X-Forwarded-For
	// nobody but the client has written.
	Forwarded bool
	// Local: limits by address hold for loopback, private and link-local addresses,
	// too.
	Local bool

	ConnectionsPerUser    int // open at a time
	ConnectionsPerAddress int // open at a time
	Handshakes            int // a second from one address; ten times that at once
	Failures              int // of authentication, a second from one address; ten times that at once
	AddressRequests       int // over HTTP, a second; ten times that at once
	UserRequests          int // over HTTP, a second; twice that at once
	UserSends             int // a second, over all sessions and HTTP; twice that at once

	Most int              // addresses, and users, that are known at a time; default 65,536, about 8 MB for each limit at the most
	Now  func() time.Time // default time.Now
}

// Limit names a limit. It is a metric label.
type Limit string

// The limits.
const (
	ConnectionsPerUser    Limit = "connections_per_user"
	ConnectionsPerAddress Limit = "connections_per_address"
	Handshakes            Limit = "handshakes"
	Failures              Limit = "auth_failures"
	AddressRequests       Limit = "address_requests"
	UserRequests          Limit = "user_requests"
	UserSends             Limit = "user_sends"
	Frames                Limit = "frames"   // of a session: package session looks at it
	Overload              Limit = "overload" // of the pod: see package gateway
)

var limits = []Limit{ConnectionsPerUser, ConnectionsPerAddress, Handshakes, Failures, AddressRequests, UserRequests, UserSends, Frames, Overload}

// The seconds of its rate that a limit takes at once.
const (
	addressBurst = 10 // many users may share an address
	userBurst    = 2
)

type user struct {
	ns   chat.NS
	name chat.User
}

// Guard keeps the counts of one pod. All methods may be called concurrently, do not
// block, and let everything pass on a nil Guard. Errors are [*chat.Error] of code
// rate_limited, with the time after which to come back.
type Guard struct {
	opts       Options
	ownClock   bool // Options had one
	handshakes *buckets[Source]
	failures   *buckets[Source]
	byAddress  *buckets[Source]
	byUser     *buckets[user]
	sends      [sendShards]*buckets[user] // by the user: no lock of all sessions is on a message's way
	seed       maphash.Seed
	refused    map[Limit]*atomic.Uint64 // not changed

	mu   sync.Mutex
	open map[Source]int32 // connections; bounded by the connections that there are
}

// New makes a Guard.
func New(o Options) *Guard {
	if o.Most <= 0 {
		o.Most = 65_536
	}
	ownClock := o.Now != nil
	if !ownClock {
		o.Now = time.Now
	}
	g := &Guard{
		opts:       o,
		ownClock:   ownClock,
		handshakes: newBuckets[Source](o.Handshakes, addressBurst, o.Most),
		failures:   newBuckets[Source](o.Failures, addressBurst, o.Most),
		byAddress:  newBuckets[Source](o.AddressRequests, addressBurst, o.Most),
		byUser:     newBuckets[user](o.UserRequests, userBurst, o.Most),
		seed:       maphash.MakeSeed(),
		refused:    make(map[Limit]*atomic.Uint64, len(limits)),
		open:       make(map[Source]int32),
	}
	for i := range g.sends {
		g.sends[i] = newBuckets[user](o.UserSends, userBurst, max(1, o.Most/sendShards))
	}
	for _, l := range limits {
		g.refused[l] = new(atomic.Uint64)
	}
	return g
}

// Source is where a request comes from.
func (g *Guard) Source(r *http.Request) Source {
	if g == nil {
		return 0
	}
	return sourceOf(client(r, g.opts.Trusted, g.opts.Forwarded), g.opts.Local)
}

// Refused counts, by limit, what was refused.
func (g *Guard) Refused() map[string]uint64 {
	if g == nil {
		return nil
	}
	counts := make(map[string]uint64, len(limits))
	for l, n := range g.refused {
		counts[string(l)] = n.Load()
	}
	return counts
}

// Refuse counts that a limit which is looked at elsewhere has refused something.
func (g *Guard) Refuse(l Limit) {
	if g != nil {
		g.refused[l].Add(1)
	}
}

func (g *Guard) refuse(l Limit, what string, wait time.Duration) error {
	g.Refuse(l)
	return &chat.Error{Code: chat.CodeRateLimited, Message: what, RetryAfter: wait}
}

// Handshake counts an attempt to connect.
func (g *Guard) Handshake(s Source) error {
	if g == nil || s == 0 {
		return nil
	}
	now := g.opts.Now()
	if wait := g.failures.left(s, now); wait > 0 {
		return g.refuse(Failures, "too many bad tokens came from this address", wait)
	}
	if wait := g.handshakes.take(s, 1, now); wait > 0 {
		return g.refuse(Handshakes, "too many connections are made from this address", wait)
	}
	return nil
}

// Request counts a request over HTTP, before its token is looked at.
func (g *Guard) Request(s Source) error {
	if g == nil || s == 0 {
		return nil
	}
	now := g.opts.Now()
	if wait := g.failures.left(s, now); wait > 0 {
		return g.refuse(Failures, "too many bad tokens came from this address", wait)
	}
	if wait := g.byAddress.take(s, 1, now); wait > 0 {
		return g.refuse(AddressRequests, "too many requests come from this address", wait)
	}
	return nil
}

// Failed counts a token that was not good. While an address has too many of them,
// nothing that needs a token is taken from it: checking a signature costs more than
// making up a token.
func (g *Guard) Failed(s Source) {
	if g != nil && s != 0 {
		g.failures.take(s, 1, g.opts.Now())
	}
}

// RequestBy counts a request of a user, once the token is known to be good.
func (g *Guard) RequestBy(ns chat.NS, name chat.User) error {
	if g == nil {
		return nil
	}
	if wait := g.byUser.take(user{ns, name}, 1, g.opts.Now()); wait > 0 {
		return g.refuse(UserRequests, "you send too many requests", wait)
	}
	return nil
}

// Sends counts what a user wants to be stored, whichever way it came.
func (g *Guard) Sends(ns chat.NS, name chat.User, n int) error {
	if g == nil {
		return nil
	}
	return g.SendsAt(ns, name, n, g.opts.Now())
}

// SendsAt is Sends for who has just looked at the clock. A clock of [Options] goes
// before that: one limit has one clock.
func (g *Guard) SendsAt(ns chat.NS, name chat.User, n int, now time.Time) error {
	if g == nil {
		return nil
	}
	if g.ownClock {
		now = g.opts.Now()
	}
	u := user{ns, name}
	if wait := g.sendsOf(u).take(u, float64(n), now); wait > 0 {
		return g.refuse(UserSends, "you send too many messages, over all your devices", wait)
	}
	return nil
}

func (g *Guard) sendsOf(u user) *buckets[user] {
	return g.sends[maphash.Comparable(g.seed, u)%sendShards]
}

// Connect counts a connection, which Disconnect ends. On an error it is not counted.
func (g *Guard) Connect(s Source) error {
	if g == nil || s == 0 || g.opts.ConnectionsPerAddress <= 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if int(g.open[s]) >= g.opts.ConnectionsPerAddress {
		return g.refuse(ConnectionsPerAddress, "there are too many connections from this address", fullFor)
	}
	g.open[s]++
	return nil
}

// fullFor is when to come back where others have to go first.
const fullFor = 10 * time.Second

// Disconnect ends Connect.
func (g *Guard) Disconnect(s Source) {
	if g == nil || s == 0 || g.opts.ConnectionsPerAddress <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[s]--; g.open[s] <= 0 {
		delete(g.open, s)
	}
}

// ConnectionsPerUser is that limit, 0: none. Sessions are counted where they are.
func (g *Guard) ConnectionsPerUser() int {
	if g == nil {
		return 0
	}
	return g.opts.ConnectionsPerUser
}
