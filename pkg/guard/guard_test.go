package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func request(peer string, headers ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestClientAddress(t *testing.T) {
	trusted := prefixes("10.0.0.0/8", "fd00::/8", "198.51.100.7/32")
	for _, c := range []struct {
		name string
		r    *http.Request
		want string
	}{
		{"no proxy", request("203.0.113.9:1234"), "203.0.113.9"},
		{"who is not trusted is not believed", request("203.0.113.9:1234", "X-Forwarded-For: 1.2.3.4"), "203.0.113.9"},
		{"one proxy", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4"), "1.2.3.4"},
		{"what the client wrote is not looked at", request("10.0.0.1:1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4"), "1.2.3.4"},
		{"two proxies", request("10.0.0.1:1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.2.3.4"), "1.2.3.4"},
		{"two headers", request("10.0.0.1:1", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4, 10.2.3.4"), "1.2.3.4"},
		{"an outer proxy", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4,198.51.100.7"), "1.2.3.4"},
		{"all are proxies", request("10.0.0.1:1", "X-Forwarded-For: 10.9.9.9, 10.2.3.4"), "10.9.9.9"},
		{"no header", request("10.0.0.1:1"), "10.0.0.1"},
		{"garbage at the right", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4, garbage"), "10.0.0.1"},
		{"garbage behind a proxy", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4, unknown, 10.2.3.4"), "10.2.3.4"},
		{"an empty entry", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4, "), "10.0.0.1"},
		{"ports", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4:5678"), "1.2.3.4"},
		{"IPv6", request("[fd00::1]:1", "X-Forwarded-For: 2001:db8::1"), "2001:db8::1"},
		{"IPv6 with port", request("[fd00::1]:1", "X-Forwarded-For: [2001:db8::1]:99"), "2001:db8::1"},
		{"IPv6 in brackets", request("[fd00::1]:1", "X-Forwarded-For: [2001:db8::1]"), "2001:db8::1"},
		{"IPv4 in IPv6", request("[::ffff:10.0.0.1]:1", "X-Forwarded-For: ::ffff:1.2.3.4"), "1.2.3.4"},
		{"zone", request("[fe80::1%eth0]:1"), "fe80::1"},
		{"Forwarded, IPv4", request("10.0.0.1:1", `Forwarded: for=6.6.6.6, for="1.2.3.4:80";proto=https;by=10.0.0.1`), "1.2.3.4"},
		{"Forwarded, IPv6", request("10.0.0.1:1", `Forwarded: For="[2001:db8:cafe::17]:4711"`), "2001:db8:cafe::17"},
		{"Forwarded, hidden", request("10.0.0.1:1", `Forwarded: for=_hidden`), "10.0.0.1"},
		{"Forwarded alone, from the client", request("10.0.0.1:1", "Forwarded: for=6.6.6.6"), "10.0.0.1"},
		{"Forwarded does not count beside X-Forwarded-For", request("10.0.0.1:1", "Forwarded: for=6.6.6.6", "X-Forwarded-For: 1.2.3.4"), "1.2.3.4"},
		{"Forwarded, and X-Forwarded-For from the client", request("10.0.0.1:1", "X-Forwarded-For: 6.6.6.6", "Forwarded: for=1.2.3.4"), "1.2.3.4"},
		{"a long list", request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4"+strings.Repeat(", 10.0.0.2", 1000)), "10.0.0.2"},
		{"no peer", request(""), "invalid IP"},
	} {
		writesForwarded := strings.HasPrefix(c.name, "Forwarded, ")
		if got := client(c.r, trusted, writesForwarded).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := client(request("10.0.0.1:1", "X-Forwarded-For: 1.2.3.4"), nil, false).String(); got != "10.0.0.1" {
		t.Errorf("nobody is trusted by default: %s", got)
	}
}

func TestSource(t *testing.T) {
	of := func(s string, local bool) Source { return sourceOf(netip.MustParseAddr(s), local) }
	for _, pair := range [][2]string{
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"}, {"::ffff:1.2.3.4", "1.2.3.4"}, {"1.2.3.4", "1.2.3.4"},
	} {
		if of(pair[0], false) == 0 || of(pair[0], false) != of(pair[1], false) {
			t.Errorf("%v are not one source", pair)
		}
	}
	for _, pair := range [][2]string{{"2001:db8:1:2::1", "2001:db8:1:3::1"}, {"1.2.3.4", "1.2.3.5"}, {"0.0.0.1", "::1"}} {
		if of(pair[0], true) == of(pair[1], true) {
			t.Errorf("%v are one source", pair)
		}
	}
	for _, s := range []string{"127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.1.1", "fe80::1", "fd00::1"} {
		if of(s, false) != 0 || of(s, true) == 0 {
			t.Errorf("%s: %d without, %d with local limits", s, of(s, false), of(s, true))
		}
	}
	if sourceOf(netip.Addr{}, true) != 0 {
		t.Error("no address has a source")
	}
}

type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func limited(t *testing.T, err error) time.Duration {
	t.Helper()
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != chat.CodeRateLimited || e.RetryAfter <= 0 {
		t.Fatalf("want rate_limited with a time, got %v", err)
	}
	return e.RetryAfter
}

func TestBuckets(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	g := New(Options{Handshakes: 2, UserRequests: 3, UserSends: 10, AddressRequests: 1, Now: c.time})
	for i := range 20 {
		if err := g.Handshake(7); err != nil {
			t.Fatalf("%d of 20 at once: %v", i, err)
		}
	}
	if wait := limited(t, g.Handshake(7)); wait != 500*time.Millisecond {
		t.Errorf("wait %v", wait)
	}
	if err := g.Handshake(8); err != nil {
		t.Errorf("another address: %v", err)
	}
	c.now = c.now.Add(500 * time.Millisecond)
	if err := g.Handshake(7); err != nil {
		t.Errorf("after the wait that was named: %v", err)
	}
	limited(t, g.Handshake(7))
	for range 6 {
		if err := g.RequestBy("_", "bob"); err != nil {
			t.Fatal(err)
		}
	}
	limited(t, g.RequestBy("_", "bob"))
	if err := errors.Join(g.RequestBy("x", "bob"), g.RequestBy("_", "eve")); err != nil {
		t.Error(err)
	}
	// A batch that is larger than what is taken at once passes when nothing was sent, and has to be made up for.
	if err := g.Sends("_", "bob", 100); err != nil {
		t.Error(err)
	}
	if wait := limited(t, g.Sends("_", "bob", 1)); wait != 8100*time.Millisecond {
		t.Errorf("wait %v", wait)
	}
	// Whoever has looked at another clock is judged by this one.
	if wait := limited(t, g.SendsAt("_", "bob", 1, c.now.Add(time.Hour))); wait != 8100*time.Millisecond {
		t.Errorf("wait %v", wait)
	}
	if got := g.Refused(); got["handshakes"] != 2 || got["user_requests"] != 1 || got["user_sends"] != 2 || got["address_requests"] != 0 {
		t.Errorf("%v", got)
	}
}

func TestFailures(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	g := New(Options{Failures: 1, Now: c.time})
	for range 1000 {
		if err := errors.Join(g.Handshake(7), g.Request(7)); err != nil {
			t.Fatal("good tokens are limited by failures that there were not", err)
		}
	}
	for range 10 {
		g.Failed(7)
	}
	limited(t, g.Handshake(7))
	limited(t, g.Request(7))
	if err := g.Handshake(8); err != nil {
		t.Error(err)
	}
	c.now = c.now.Add(time.Second)
	if err := g.Handshake(7); err != nil {
		t.Error(err)
	}
}

func TestConnections(t *testing.T) {
	g := New(Options{ConnectionsPerAddress: 3})
	for range 3 {
		if err := g.Connect(7); err != nil {
			t.Fatal(err)
		}
	}
	limited(t, g.Connect(7))
	if err := errors.Join(g.Connect(8), g.Connect(0), g.Connect(0), g.Connect(0), g.Connect(0)); err != nil {
		t.Error(err)
	}
	g.Disconnect(7)
	if err := g.Connect(7); err != nil {
		t.Error(err)
	}
	for range 3 {
		g.Disconnect(7)
	}
	g.Disconnect(8)
	g.Disconnect(0)
	if len(g.open) != 0 {
		t.Errorf("%v", g.open)
	}
}

// The tables are bounded. What is full again is forgotten first; else who came
// longest ago begins anew.
func TestTablesAreBounded(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	g := New(Options{Handshakes: 1, Most: 100, Now: c.time})
	for i := range 10_000 {
		if err := g.Handshake(Source(i + 1)); err != nil {
			t.Fatal(err)
		}
		if n := g.handshakes.size(); n > 100 {
			t.Fatalf("%d buckets", n)
		}
	}
	for range 20 { // 1 is used all the time, and is not pushed out by the others
		for range 10 {
			_ = g.Handshake(1)
		}
		for i := range 90 {
			_ = g.Handshake(Source(i + 20_000))
		}
	}
	limited(t, g.Handshake(1))
	c.now = c.now.Add(time.Hour)
	for i := range 60 {
		_ = g.Handshake(Source(i + 1))
	}
	if n := g.handshakes.size(); n > 100 {
		t.Errorf("%d buckets", n)
	}
	c.now = c.now.Add(time.Hour)
	for i := range 200 {
		_ = g.Handshake(Source(i + 100_000))
		c.now = c.now.Add(20 * time.Second) // longer than a bucket takes to be full
	}
	if n := g.handshakes.size(); n > 2 {
		t.Errorf("%d buckets that are full are kept", n)
	}
}

func TestNoLimits(t *testing.T) {
	for name, g := range map[string]*Guard{"nil": nil, "zero": New(Options{Local: true})} {
		for range 10_000 {
			s := g.Source(request("203.0.113.9:1"))
			g.Failed(s)
			if err := errors.Join(g.Handshake(s), g.Request(s), g.Connect(s), g.RequestBy("_", "bob"), g.Sends("_", "bob", 500)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		g.Disconnect(0)
		g.Refuse(Frames)
		if g.ConnectionsPerUser() != 0 {
			t.Errorf("%s: connections per user", name)
		}
	}
}

func TestAtOnce(t *testing.T) {
	g := New(Options{Handshakes: 1000, ConnectionsPerAddress: 10, Most: 16})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				s := Source(i%32 + 1)
				_ = g.Handshake(s)
				if g.Connect(s) == nil {
					g.Disconnect(s)
				}
				g.Failed(Source(n))
			}
		})
	}
	wg.Wait()
	if len(g.open) != 0 || g.handshakes.size() > 16 {
		t.Error(len(g.open), g.handshakes.size())
	}
}

func BenchmarkSends(b *testing.B) {
	g := New(Options{UserSends: 1 << 30})
	users := make([]chat.User, 10_000)
	for i := range users {
		users[i] = chat.User(fmt.Sprint("user-", i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = g.Sends("_", users[i%len(users)], 1)
	}
}

// FuzzForwarded: whatever a client and its proxies write, an address comes out that
// the nearest proxy stands for, and nothing breaks.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "1.2.3.4, 10.0.0.2", "garbage,,", "[2001:db8::1]:80", "for=1.2.3.4;for=2.3.4.5", `for="[::1]:1", for=_x`, "\x00", "::ffff:1.2.3.4%eth0"} {
		f.Add(s, s)
	}
	trusted := prefixes("10.0.0.0/8", "::ffff:0:0/96", "2001:db8::/32")
	f.Fuzz(func(t *testing.T, forwarded, standard string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{}}
		if forwarded != "" {
			r.Header["X-Forwarded-For"] = []string{forwarded}
		}
		r.Header["Forwarded"] = []string{standard}
		for _, writesForwarded := range []bool{false, true} {
			a := client(r, trusted, writesForwarded)
			if !a.IsValid() || a.Zone() != "" {
				t.Fatalf("%q, %q: %v", forwarded, standard, a)
			}
			_ = sourceOf(a, false)
		}
		// With an honest proxy in front, the client's own words change nothing.
		r.Header["X-Forwarded-For"] = []string{forwarded + ",203.0.113.9"}
		if got := client(r, trusted, false); got != netip.MustParseAddr("203.0.113.9") {
			t.Fatalf("%q makes the client %v", forwarded, got)
		}
		r.Header["Forwarded"] = []string{standard, "for=203.0.113.9"}
		if got := client(r, trusted, true); got != netip.MustParseAddr("203.0.113.9") {
			t.Fatalf("%q makes the client %v", standard, got)
		}
	})
}
