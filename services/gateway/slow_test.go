package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/session"
)

// slowly is for clients that do not keep up: small queues, and little patience, but
// more than the machine may keep a client waiting that reads. The heartbeat must not
// end first who does not read, and so does not answer, nor the close frame be given up
// before the test has read what stands before it.
func slowly(o *Options) {
	o.session = session.Options{QueueFrames: 8, QueueBytes: 64 << 10, SlowAfter: 8 * time.Second, CloseWait: time.Minute}
	o.Heartbeat = time.Minute // a tick a second
}

// A client that stops reading is cut off, costs no more than its queue, and delays
// nobody; its next session goes on where it stood.
func TestSlowClientIsCutOffAndLosesNothing(t *testing.T) {
	c := newCluster(t, 1, slowly)
	alice, _ := c.login(0, "alice", "")
	conv := c.group("alice", "slow", "quick")
	alice.entry(1) // her session is told of receipts from now on
	c.narrow()
	slow, _ := c.login(0, "slow", "")
	c.http = nil
	quick, _ := c.login(0, "quick", "")
	slow.send(`{"type":"recv","conv":%q,"seq":1}`, conv)
	if r := expect[*wire.Receipt](alice); r.Delivered != 1 {
		t.Fatalf("%+v", r)
	}

	// More than the sockets' buffers take, until the server has had enough; quick
	// reads all of it meanwhile.
	text := strings.Repeat("x", 15<<10)
	done := make(chan chat.Seq, 1)
	go func() {
		last := chat.Seq(0)
		for {
			f, err := quick.read()
			if err != nil {
				break
			}
			if e, ok := f.(*wire.Entry); ok {
				if last = e.Seq; !strings.Contains(string(e.Body), text) && last > 1 {
					break // the end
				}
			}
		}
		done <- last
	}()
	closing := func() bool {
		for _, k := range c.gates[0].clients() {
			if k.s.Identity().User == "slow" && k.s.Closing() {
				return true
			}
		}
		return false
	}
	n := 0
	post := func(text string) {
		alice.send(`{"type":"send","conv":%q,"cmid":"m%d","body":{"text":%q}}`, conv, n, text)
		expect[*wire.Ack](alice)
		n++
	}
	for n < 800 && !closing() {
		post(text)
	}
	c.until(closing)
	if code := slow.closed(); code != 4508 { // it reads again
		t.Fatalf("closed with %d", code)
	}
	post("the end")
	if last := <-done; int(last) != n+1 {
		t.Fatalf("the quick client got %d of %d", last, n+1)
	}
	_, missed := c.login(0, "slow", "")
	if len(missed) != n || missed[0].Seq != 2 || int(missed[n-1].Seq) != n+1 {
		t.Fatalf("the next session got %d entries", len(missed))
	}
}

// A client that is slow for a while, but not too slow, gets everything in the same
// session: streams go back to the store and continue.
func TestSlowForAWhileIsServedFromTheStore(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) {
		// However long it takes to send all of it, bob is not too slow, nor gone.
		o.session = session.Options{QueueFrames: 4, QueueBytes: 32 << 10, SlowAfter: 5 * time.Minute}
		o.Heartbeat = 5 * time.Minute
	})
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(0, "bob", "")
	const n = 700
	text := strings.Repeat("y", 15<<10)
	for i := range n {
		alice.sendTo("bob", fmt.Sprint("m", i), text)
	}
	for want := chat.Seq(1); want <= n; {
		if e, ok := bob.next().(*wire.Entry); ok {
			if e.Seq != want {
				t.Fatalf("got %d, want %d", e.Seq, want)
			}
			want++
		}
	}
}

// A client that vanished without a word is freed after two heartbeats.
func TestHalfOpenSessionIsFreed(t *testing.T) {
	// Half of this is left for a pong: more than a machine stands still.
	c := newCluster(t, 1, func(o *Options) { o.Heartbeat = 7 * time.Second })
	alive, _ := c.login(0, "carol", "")
	ws, _, err := c.dialRaw(0, http.Header{"Authorization": {"Bearer " + c.token("bob", time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	k := &conn{t, ws}
	k.send(`{"type":"hello"}`)
	expect[*wire.Synced](k)
	stop := make(chan error, 1)
	go func() { // reading answers pings
		for {
			f, err := alive.read()
			if _, ok := f.(*wire.Pong); ok || err != nil {
				stop <- err
				return
			}
		}
	}()
	// The other one reads nothing from here on, so it answers no ping.
	c.until(func() bool { return c.gates[0].Stats().Sessions < 2 })
	alive.send(`{"type":"ping"}`)
	if err := <-stop; err != nil {
		t.Fatal("a session that answers pings was closed:", err)
	}
	if n := c.gates[0].Stats().Sessions; n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}
