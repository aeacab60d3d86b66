package bus

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// refusal is what the server does not permit on a connection.
type refusal struct {
	nc  *nats.Conn
	err error // nil: there is none
}

// denied says that the server does not let its user do what the bus needs: all else
// goes on, and nothing of that topic comes or goes until the user may. A server refuses a
// subscription once, mostly while the bus is not connected yet, as it waits until all are
// in place: so this is kept until it is, and not taken back by that news.
func (b *Bus) denied(nc *nats.Conn, err error) {
	b.stateMu.Lock()
	defer b.stateMu.Unlock()
	if State(b.state.Load()) == StateConnected {
		b.tellDenied(err)
		return
	}
	if b.refusal.nc != nc || b.refusal.err == nil {
		b.refusal = refusal{nc, err}
	}
}

// tellRefusal tells what was kept, unless it was said of a connection that has gone since.
// stateMu is held.
func (b *Bus) tellRefusal() {
	r := b.refusal
	b.refusal = refusal{}
	if r.err != nil && b.current(r.nc) {
		b.tellDenied(r.err)
	}
}

// forgetRefusal is for a connection that nats.go has made anew.
func (b *Bus) forgetRefusal() {
	b.stateMu.Lock()
	defer b.stateMu.Unlock()
	b.refusal = refusal{}
}

// tellDenied is called with stateMu held: what it tells comes after the state.
func (b *Bus) tellDenied(err error) {
	if !b.denials.due() {
		return
	}
	err = b.servers.safe(err)
	remedy := "let it publish and subscribe parley." + b.o.Cluster + ".>"
	b.log.Error("NATS does not permit its user what Parley needs: "+remedy, "error", err)
	if b.o.OnDenied != nil {
		b.o.OnDenied(fmt.Sprintf("its user lacks a permission: %v; %s", err, remedy))
	}
}

// isDenied tells what denied is for from other troubles.
func isDenied(err error) bool { return errors.Is(err, nats.ErrPermissionViolation) }
