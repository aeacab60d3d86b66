package certs

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"sync"
	"time"
)

// Expiries is until when the certificates that a process uses are good. The zero value
// has none and is ready; its methods are safe for concurrent use, and all but one may be
// called of nil, and do nothing then.
type Expiries struct {
	mu   sync.Mutex
	uses []*use
}

// use is one certificate, or what a file has.
type use struct {
	name   string
	pair   *Pair  // of a listener; else
	file   string // read again when it was looked at [Every] ago
	latest bool   // of several the one that is good for longest counts

	checked time.Time
	until   time.Time // zero: it cannot be read
}

// Chain adds a file with a certificate and those between it and the root: the first
// that expires counts. "": nothing is added.
func (e *Expiries) Chain(name, file string) { e.add(&use{name: name, file: file}) }

// Authorities adds a file with authorities: the last that expires counts, because in a
// rotation the one that is replaced stays in the file. "": nothing is added.
func (e *Expiries) Authorities(name, file string) {
	e.add(&use{name: name, file: file, latest: true})
}

func (e *Expiries) add(u *use) {
	if e == nil || u.pair == nil && u.file == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.uses = append(e.uses, u)
}

// Left is for how long each is good, by name; below zero: it has expired. What cannot be
// read is left out. It reads files, each once in [Every] at most.
func (e *Expiries) Left(now time.Time) map[string]time.Duration {
	left := map[string]time.Duration{}
	if e == nil {
		return left
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, u := range e.uses {
		if u.look(now); !u.until.IsZero() {
			left[u.name] = u.until.Sub(now)
		}
	}
	return left
}

// Soonest is the least of [Expiries.Left]; ok is false where there is none.
func (e *Expiries) Soonest(now time.Time) (least time.Duration, ok bool) {
	for _, d := range e.Left(now) {
		if !ok || d < least {
			least, ok = d, true
		}
	}
	return least, ok
}

// look is called with the lock of its Expiries held.
func (u *use) look(now time.Time) {
	if u.pair != nil {
		cert, _ := u.pair.get(nil) // what is served from now on; it always has one
		u.until = soonest(cert.Certificate, false)
		return
	}
	if !u.checked.IsZero() && now.Sub(u.checked) < Every {
		return
	}
	u.checked, u.until = now, time.Time{}
	text, err := os.ReadFile(u.file)
	if err != nil {
		return // whoever uses it says so
	}
	var all [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			all = append(all, block.Bytes)
		}
	}
	u.until = soonest(all, u.latest)
}

// soonest is when the first of some certificates expires, or the last; zero where there
// is none that can be read.
func soonest(all [][]byte, latest bool) (until time.Time) {
	for _, der := range all {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		if until.IsZero() || cert.NotAfter.After(until) == latest {
			until = cert.NotAfter
		}
	}
	return until
}
