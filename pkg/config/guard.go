package config

import (
	"flag"
	"fmt"
	"net/netip"
	"time"

	"github.com/parley-chat/parley/pkg/guard"
)

// Requests bounds what one address and one user may ask for over HTTP, and says
// which proxies are believed about addresses.
type Requests struct {
	TrustedProxies  []netip.Prefix // default: none
	Forwarded       bool           // default: they write X-Forwarded-For
	LimitLocal      bool           // default: limits by address do not hold for addresses that are not global
	UserRequests    int            // a second; default 500; 0: no limit
	AddressRequests int            // a second; default 2,000; 0: no limit
	AuthFailures    int            // a second from one address; default 10; 0: no limit

	set bool
}

// Register declares --trusted-proxies, --forwarded, --limit-local-addresses,
// --requests-per-user, --requests-per-address and --auth-failures-per-address.
func (g *Requests) Register(fs *flag.FlagSet) {
	if !g.set {
		g.set, g.UserRequests, g.AddressRequests, g.AuthFailures = true, 500, 2000, 10
	}
	fs.Var((*prefixList)(&g.TrustedProxies), "trusted-proxies",
		"believe X-Forwarded-For of proxies in these `networks`, with commas between them,\ne.g. 10.0.0.0/8,2001:db8::/32; none: of nobody")
	fs.BoolVar(&g.Forwarded, "forwarded", g.Forwarded, "the trusted proxies write Forwarded (RFC 7239): believe that, and nothing in X-Forwarded-For")
	fs.BoolVar(&g.LimitLocal, "limit-local-addresses", g.LimitLocal,
		"let limits by address hold for loopback, private and link-local addresses, too:\nwithout trusted proxies, all clients behind a load balancer would share its address")
	number(fs, &g.UserRequests, "requests-per-user", "answer this many HTTP `requests` a second of one user, twice that in a burst; 0: no limit")
	number(fs, &g.AddressRequests, "requests-per-address", "answer this many HTTP `requests` a second from one address (IPv6: /64), ten times that in a burst; 0: no limit")
	number(fs, &g.AuthFailures, "auth-failures-per-address", "look at this many bad `tokens` a second from one address, ten times that in a burst;\nbeyond it nothing is taken from there for a while; 0: no limit")
}

// Validate refuses negative numbers.
func (g *Requests) Validate() error {
	return atLeastZero(map[string]int{"requests-per-user": g.UserRequests, "requests-per-address": g.AddressRequests, "auth-failures-per-address": g.AuthFailures})
}

// Connections bounds what one address, one user and one session may do over sockets.
type Connections struct {
	PerUser    int           // open at a time; default 100; 0: no limit
	PerAddress int           // open at a time; default 10,000; 0: no limit
	Handshakes int           // a second from one address; default 500; 0: no limit
	UserSends  int           // a second, over all sessions; default 2,000; 0: no limit
	FramesPerS int           // of one session; default 5,000; 0: no limit
	BytesPerS  int           // of one session; default 16 MiB; 0: no limit
	Admission  time.Duration // default 2 s; 0: nobody is turned away

	set bool
}

// Register declares --connections-per-user, --connections-per-address,
// --handshakes-per-address, --sends-per-user, --frames-per-second,
// --bytes-per-second and --admission.
func (g *Connections) Register(fs *flag.FlagSet) {
	if !g.set {
		*g = Connections{PerUser: 100, PerAddress: 10_000, Handshakes: 500, UserSends: 2000, FramesPerS: 5000, BytesPerS: 16 << 20, Admission: 2 * time.Second, set: true}
	}
	number(fs, &g.PerUser, "connections-per-user", "keep this many `connections` of one user open on a gateway; the next one is refused; 0: no limit")
	number(fs, &g.PerAddress, "connections-per-address", "keep this many `connections` from one address (IPv6: /64) open on a gateway; 0: no limit")
	number(fs, &g.Handshakes, "handshakes-per-address", "take this many `connections` a second from one address, ten times that in a burst; 0: no limit")
	number(fs, &g.UserSends, "sends-per-user", "take this many `messages` a second of one user over all connections and HTTP, twice that in a burst;\nover HTTP of services with the scope send:any any number; 0: no limit")
	number(fs, &g.FramesPerS, "frames-per-second", "close a session that sends more `frames` a second than this, with twice that in a burst; 0: no limit")
	fs.DurationVar(&g.Admission, "admission", g.Admission, "answer new connections with 503 while not even the fastest takes less than this `time` until its welcome,\nbecause clients would have given up until theirs; 0: never")
	number(fs, &g.BytesPerS, "bytes-per-second", "close a session that sends more `bytes` a second than this, with twice that in a burst; 0: no limit")
}

// Validate refuses negative numbers.
func (g *Connections) Validate() error {
	if g.Admission < 0 {
		return fmt.Errorf("an admission of %v is no time: set %s to e.g. 2s, or 0", g.Admission, both("admission"))
	}
	return atLeastZero(map[string]int{"connections-per-user": g.PerUser, "connections-per-address": g.PerAddress, "handshakes-per-address": g.Handshakes,
		"sends-per-user": g.UserSends, "frames-per-second": g.FramesPerS, "bytes-per-second": g.BytesPerS})
}

// Guard is both groups as package guard takes them. Of history, connections are nil.
func Guard(r *Requests, c *Connections) guard.Options {
	o := guard.Options{Trusted: r.TrustedProxies, Forwarded: r.Forwarded, Local: r.LimitLocal, UserRequests: r.UserRequests, AddressRequests: r.AddressRequests, Failures: r.AuthFailures}
	if c != nil {
		o.ConnectionsPerUser, o.ConnectionsPerAddress, o.Handshakes, o.UserSends = c.PerUser, c.PerAddress, c.Handshakes, c.UserSends
	}
	return o
}

func number(fs *flag.FlagSet, p *int, name, usage string) { fs.IntVar(p, name, *p, usage) }

func atLeastZero(values map[string]int) error {
	for name, n := range values {
		if n < 0 {
			return fmt.Errorf("%d is no limit: set %s to 0 for none, or more", n, both(name))
		}
	}
	return nil
}

// prefixList is a flag of several networks. A single address is a network of one.
type prefixList []netip.Prefix

func (l *prefixList) String() string {
	var list commaList
	for _, p := range *l {
		list = append(list, p.String())
	}
	return list.String()
}

func (l *prefixList) Set(s string) error {
	var list commaList
	if err := list.Set(s); err != nil {
		return err
	}
	*l = nil
	for _, part := range list {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(part); err == nil {
				p, err = a.Prefix(a.BitLen())
			}
		}
		if err != nil {
			return fmt.Errorf("%q is no network such as 10.0.0.0/8", part)
		}
		if p.Addr().Is4In6() { // addresses are compared as what they stand for
			if p.Bits() < 96 {
				return fmt.Errorf("%q is no network such as 10.0.0.0/8", part)
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		*l = append(*l, p.Masked())
	}
	return nil
}
