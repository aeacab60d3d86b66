package natstest_test

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley/pkg/bus"
)

// happened is what a bus tells, in order: its states, and "denied: " with the reason.
func happened(o *bus.Options) <-chan string {
	ch := make(chan string, 1000)
	o.OnState = func(s bus.State) { ch <- s.String() }
	o.OnDenied = func(reason string) { ch <- "denied: " + reason }
	return ch
}

// A connection that the bus has made anew, because the server ended the one before for
// good, refuses the same as the first one. That is told when it is there: told before, it
// would be taken back by the news that the bus is connected, and never come again, as a
// server refuses a subscription once.
func TestMissingPermissionIsSaidOfANewConnection(t *testing.T) {
	s, port := run(t, &server.Options{Users: []*server.User{{Username: "parley", Password: "canary", Permissions: &server.Permissions{
		Subscribe: &server.SubjectPermission{Allow: []string{"other.>"}},
	}}}})
	defer stop(s)
	p := startProxy(t, "nats://127.0.0.1:"+strconv.Itoa(port))
	var log lines
	o := bus.Options{URL: strings.Replace(p.url, "//", "//parley:canary@", 1), Logger: log.logger()}
	told := happened(&o)
	b := connect(t, o)
	listen(t, b, bus.TopicEntries)
	refusal := func() {
		t.Helper()
		reason := next(t, told)
		for _, want := range []string{"denied: ", `"parley.test.entries"`, "let it publish and subscribe parley.test.>"} {
			if !strings.Contains(reason, want) {
				t.Errorf("told %q, which lacks %q", reason, want)
			}
		}
	}
	refusal()
	for range 2 {
		p.say(t, "-ERR 'Out Of Cheese'")
		want(t, told, "disconnected")
		want(t, told, "connected")
		refusal()
		flush(t, b)
		nothing(t, told)
	}
	if n := strings.Count(log.String(), "does not permit its user"); n != 3 {
		t.Errorf("the log says it %d times, want once a connection: %s", n, log.String())
	}
}

// fickle is a server that says what nobody knows when it is subscribed to, on those of its
// connections that a function names; the first one has number 1.
type fickle struct {
	url string

	mu       sync.Mutex
	accepted int
	open     map[net.Conn]bool
}

func startFickle(t *testing.T, confuses func(connection int) bool) *fickle {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fickle{url: "nats://" + l.Addr().String(), open: make(map[net.Conn]bool)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.accepted++
			n := f.accepted
			f.open[conn] = true
			f.mu.Unlock()
			wg.Go(func() { f.serve(conn, confuses(n)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for conn := range f.open {
			conn.Close()
		}
		f.mu.Unlock()
		wg.Wait()
	})
	return f
}

func (f *fickle) serve(conn net.Conn, confuses bool) {
	defer func() {
		conn.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.open, conn)
	}()
	fmt.Fprintf(conn, "INFO {\"server_id\":\"f\",\"version\":\"2.10.0\",\"proto\":1,\"max_payload\":1048576}\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() { // what is published here has one line
		switch verb, _, _ := strings.Cut(lines.Text(), " "); {
		case verb == "PING":
			fmt.Fprint(conn, "PONG\r\n")
		case verb == "SUB" && confuses:
			fmt.Fprint(conn, "-ERR 'Out Of Cheese'\r\n")
		}
	}
}

// connections are how many there were, and how many are open.
func (f *fickle) connections() (accepted, open int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted, len(f.open)
}

// confuse says to all connections what nobody knows.
func (f *fickle) confuse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.open {
		fmt.Fprint(conn, "-ERR 'Out Of Cheese'\r\n")
	}
}

// A connection that is ended for good while it is being made is no reason to replace the
// next one: that one would be left behind, with all its subscriptions.
func TestAConnectionThatFailsLeavesNoneBehind(t *testing.T) {
	f := startFickle(t, func(n int) bool { return n == 2 || n == 3 })
	o := bus.Options{URL: f.url}
	told := happened(&o)
	b := connect(t, o)
	listen(t, b, bus.TopicEntries)
	f.confuse()
	want(t, told, "disconnected")
	want(t, told, "connected")
	// Whoever writes is also who makes new connections: by the last of these it would
	// have begun to.
	for range 100 {
		publish(t, b, bus.TopicEntries, "x")
		flush(t, b)
	}
	nothing(t, told)
	if accepted, open := f.connections(); accepted != 4 || open != 1 {
		t.Errorf("%d connections were made, and %d are open; want 4 and 1", accepted, open)
	}
}

// Who takes back an address while its subscription is being made, leaves none at the
// server that nobody would end.
func TestWhoHasGoneSubscribesToNothing(t *testing.T) {
	s, port := run(t, &server.Options{})
	defer stop(s)
	b := connect(t, bus.Options{URL: "nats://127.0.0.1:" + strconv.Itoa(port)})
	flush(t, b)
	before := s.NumSubscriptions()
	for i := range 300 {
		hear, unsubscribe, err := b.SubscribeTo(func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		hear(bus.Address(i), true)
		unsubscribe()
	}
	flush(t, b)
	if got := s.NumSubscriptions(); got != before {
		t.Errorf("the server has %d subscriptions, %d before", got, before)
	}
}
