package guard

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Source is the address that a request comes from, as limits count it: an IPv4
// address, or the /64 network of an IPv6 address, because who has one address there
// has all of it. 0: no limit holds for it.
type Source uint64

// sourceOf leaves addresses that are not global out unless local says so: load
// balancers and the pods of a cluster have such.
func sourceOf(a netip.Addr, local bool) Source {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return 0
	case !local && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()):
		return 0
	case a.Is4():
		b := a.As4()
		return 1<<32 | Source(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	// No IPv6 network that is in use has a number as small as those of IPv4 above,
	// but for ::1 and its like, which are this host.
	return max(1, Source(binary.BigEndian.Uint64(b[:8])))
}

// maxHops is how many entries of a header are looked at, from the right.
const maxHops = 32

// client is the address of the client that a request comes from: the peer's, or,
// where that is a trusted proxy, the right-most one in X-Forwarded-For that is no
// trusted proxy. What stands left of that, the client may have written. An entry that
// is no address ends the search: the proxy that wrote it is all that is known.
//
// Only one of the two headers is looked at: a proxy passes the other one as the client
// wrote it. Which one its proxies write, only the operator knows.
func client(r *http.Request, trusted []netip.Prefix, forwarded bool) netip.Addr {
	peer := addrOf(r.RemoteAddr)
	if !isTrusted(peer, trusted) {
		return peer
	}
	hops := split(r.Header.Values("X-Forwarded-For"))
	if forwarded {
		hops = split(r.Header.Values("Forwarded"))
		for i, h := range hops {
			hops[i] = forwardedFor(h)
		}
	}
	last := peer
	for i, hop := range slices.Backward(hops) {
		if len(hops)-i > maxHops {
			break
		}
		a := addrOf(hop)
		if !a.IsValid() {
			break
		}
		last = a
		if !isTrusted(a, trusted) {
			break
		}
	}
	return last
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// split takes the elements of a header that is a list apart.
func split(values []string) (list []string) {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			list = append(list, strings.TrimSpace(part))
		}
	}
	return list
}

// forwardedFor is the value of for= in an element of Forwarded (RFC 7239), "" where
// there is none. No address has a comma or a semicolon in it, so quotes need no care.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if ok && strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// addrOf reads an address, with or without port and brackets. The zero address: it
// is none.
func addrOf(s string) netip.Addr {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("")
	}
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil {
			return a.Unmap().WithZone("")
		}
	}
	return netip.Addr{}
}
