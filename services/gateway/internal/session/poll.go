package session

import "net"

// Poller is how connections wait until they can be read: the seam between a
// goroutine for each of them ([Goroutines]) and none while nothing comes
// ([NewEpoll]).
type Poller interface {
	// Parks reports whether connections like nc wait without a goroutine.
	Parks(nc net.Conn) bool
	// watch has t served until it is over; it does not block. ready: a turn comes at
	// once. On an error nothing was started.
	watch(nc net.Conn, t turner, ready bool) error
	// Close ends the poller, after the last connection has.
	Close()
}

// turner is a connection that is served in turns, never in two at a time.
type turner interface {
	// turn reads and handles what there is. A connection that parks returns when it
	// has nothing more; any other blocks until it is over.
	turn() (over bool)
	// end comes after the last turn, when nobody watches the connection any more. It
	// may block.
	end()
}

// Goroutines is the [Poller] that needs nothing of the system: each connection has
// a goroutine that blocks in its read.
type Goroutines struct{}

// Parks implements [Poller].
func (Goroutines) Parks(net.Conn) bool { return false }

func (Goroutines) watch(_ net.Conn, t turner, _ bool) error {
	go serve(t)
	return nil
}

// Close implements [Poller].
func (Goroutines) Close() {}

func serve(t turner) {
	for !t.turn() {
	}
	t.end()
}
