package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
	"github.com/parley-chat/parley/services/parley/internal/verify"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the longest that a step may take.
const patience = time.Minute

// place is where data are kept, backed up and restored while no service runs.
type place interface {
	options() allinone.Options
	backUp(t *testing.T)
	restore(t *testing.T)
	newEpoch(t *testing.T) (epoch string)
}

// folder is the all-in-one binary's.
type folder struct{ data, copy string }

func (f *folder) options() allinone.Options { return allinone.Options{Data: f.data} }

func (f *folder) backUp(t *testing.T) { copyFolder(t, f.data, f.copy) }

func (f *folder) restore(t *testing.T) {
	if err := os.RemoveAll(f.data); err != nil {
		t.Fatal(err)
	}
	copyFolder(t, f.copy, f.data)
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func (f *folder) newEpoch(t *testing.T) string {
	st, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(f.data, "store")})
	if err != nil {
		t.Fatal(err)
	}
	meta, err := st.NewEpoch(t.Context())
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	return meta.Epoch
}

// database is a MongoDB's.
type database struct {
	uri, data string
	mem       *mongomem.Server
	snapshot  *mongomem.Snapshot
}

func newDatabase(t *testing.T) *database {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &database{uri: "mongodb://" + ln.Addr().String() + "/parley", mem: mongomem.New(), data: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.mem.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

func (d *database) options() allinone.Options {
	return allinone.Options{Data: d.data, MongoURI: d.uri, Gateways: 2, NoSearch: true}
}

func (d *database) backUp(*testing.T) { d.snapshot = d.mem.Snapshot() }

func (d *database) restore(*testing.T) { d.mem.Restore(d.snapshot) }

func (d *database) newEpoch(t *testing.T) string {
	st, err := mongostore.Open(t.Context(), mongostore.Options{URI: d.uri, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	meta, err := st.NewEpoch(t.Context())
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	return meta.Epoch
}

// deployment is a cluster that is stopped and started again on the same ports.
type deployment struct {
	t    *testing.T
	at   place
	addr string
	*allinone.Cluster
}

func (d *deployment) start() {
	d.t.Helper()
	o := d.at.options()
	o.Listen, o.DevTokens, o.Log = d.addr, true, slog.New(slog.DiscardHandler)
	var err error
	if d.Cluster, err = allinone.Start(d.t.Context(), o); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployment) stop() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		d.t.Fatal(err)
	}
}

// address finds two ports, one after the other, that nobody is given while the
// deployment is down.
func address(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", natstest.Ports(t, 2))
}

// person is a client that stays through everything.
type person struct {
	*client.Client
	t      *testing.T
	events chan client.Event
}

func (d *deployment) connect(user chat.User, device chat.Device, urls []string) *person {
	d.t.Helper()
	p := &person{t: d.t, events: make(chan client.Event, 10_000)}
	var err error
	p.Client, err = client.Start(context.Background(), client.Options{
		URLs: urls, Device: device, RecvDelay: time.Millisecond, MaxBackoff: 200 * time.Millisecond,
		Token:   func(context.Context) (string, error) { return d.Token(user) },
		Handler: func(ev client.Event) { p.events <- ev },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(p.Close)
	return p
}

// until takes events until one is what is waited for, and returns those before it.
func (p *person) until(what string, ok func(client.Event) bool) (before []client.Event) {
	p.t.Helper()
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		select {
		case ev := <-p.events:
			if ok(ev) {
				return before
			}
			before = append(before, ev)
		case <-over.C:
			p.t.Fatalf("no %s; the client is %+v", what, p.State())
		}
	}
}

func isLive(ev client.Event) bool {
	s, ok := ev.(client.State)
	return ok && s.Phase == client.Live
}

func isEntry(seq chat.Seq) func(client.Event) bool {
	return func(ev client.Event) bool {
		e, ok := ev.(client.Entry)
		return ok && e.Seq == seq
	}
}

// send sends a text, and returns the ack, and whether the client has sent it again by
// itself, as it does where the machine stood still: it may be a dup then.
func (p *person) send(to chat.User, cmid chat.CMID, text string) (ack wire.Ack, again bool) {
	p.t.Helper()
	retries := p.Stats().Retries
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	sent, err := p.Submit(&wire.Send{To: to, CMID: cmid, Body: fmt.Appendf(nil, `{"text":%q}`, text)})
	if err != nil {
		p.t.Fatal(err)
	}
	if ack, err = sent.Wait(ctx); err != nil {
		p.t.Fatal(err)
	}
	return ack, p.Stats().Retries > retries
}

// A backup is restored that lacks what clients have: each of them is told to drop what
// it has, and afterwards all see one log without holes.
func TestRestoreOfAnOlderBackup(t *testing.T) {
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		restoreAnOlder(t, &folder{data: filepath.Join(dir, "data"), copy: filepath.Join(dir, "copy")})
	})
	t.Run("database", func(t *testing.T) { restoreAnOlder(t, newDatabase(t)) })
}

func restoreAnOlder(t *testing.T, at place) {
	d := &deployment{t: t, at: at, addr: address(t)}
	d.start()
	defer func() { d.stop() }()
	urls := d.URLs
	alice, bob := d.connect("alice", "phone", urls), d.connect("bob", "phone", urls[len(urls)-1:])
	alice.until("first synced", isLive)
	bob.until("first synced", isLive)
	var conv chat.ConvID
	for i := 1; i <= 5; i++ {
		ack, _ := alice.send("bob", chat.CMID(fmt.Sprint("before-", i)), fmt.Sprint("before ", i))
		conv = ack.Conv
	}
	bob.until("entry 5", isEntry(5))
	d.stop()
	at.backUp(t)
	d.start()
	for i := 6; i <= 8; i++ {
		alice.send("bob", chat.CMID(fmt.Sprint("lost-", i)), fmt.Sprint("lost ", i))
	}
	bob.until("entry 8", isEntry(8))
	alice.until("entry 8", isEntry(8))
	old, _ := bob.Position()
	d.stop()

	at.restore(t)
	epoch := at.newEpoch(t)
	d.start()
	if epoch == old {
		t.Fatal("the epoch is the old one")
	}
	for _, p := range []*person{alice, bob} {
		// Whatever had come before the reset was of the old session.
		before := p.until("reset", func(ev client.Event) bool {
			f, ok := ev.(client.Frame)
			r, reset := f.Frame.(*wire.Reset)
			return ok && reset && r.Conv == "" && r.Epoch == epoch
		})
		if slices.ContainsFunc(before, func(ev client.Event) bool { _, ok := ev.(client.Entry); return ok }) {
			t.Errorf("%s got entries before the reset", p.User())
		}
		p.until("synced", isLive)
	}
	// The seqs that were lost are given anew, to other entries, and a cmid that was lost
	// is free: what a client sends again is stored again, and nothing says dup.
	if ack, again := alice.send("bob", "after-1", "after 1"); ack.Seq != 6 || ack.Dup && !again {
		t.Errorf("%+v", ack)
	}
	if ack, again := alice.send("bob", "lost-7", "lost 7"); ack.Seq != 7 || ack.Dup && !again {
		t.Errorf("%+v", ack)
	}
	if ack, _ := alice.send("bob", "before-2", "before 2"); ack.Seq != 2 || !ack.Dup {
		t.Errorf("%+v", ack)
	}
	bob.until("entry 6", isEntry(6)) // which an old cursor of 8 would have thrown away
	bob.until("entry 7", isEntry(7))
	d.sameForEverybody(conv, bob)
	d.proved()
}

// sameForEverybody compares what a device of long standing, and one that is new, are
// told of the log.
func (d *deployment) sameForEverybody(conv chat.ConvID, bob *person) {
	d.t.Helper()
	want := []string{"before 1", "before 2", "before 3", "before 4", "before 5", "after 1", "lost 7"}
	fresh := d.connect("alice", "tablet", d.URLs)
	fresh.until("synced", isLive)
	for _, p := range []*person{bob, fresh} {
		after := chat.Seq(0)
		page, err := p.History(d.t.Context(), conv, client.Span{After: &after, Limit: 100})
		if err != nil {
			d.t.Fatal(err)
		}
		var got []string
		for i, e := range page.Items {
			if e.Seq != chat.Seq(i+1) {
				d.t.Errorf("%s: item %d has seq %d", p.User(), i, e.Seq)
			}
			got = append(got, string(e.Body))
		}
		if !slices.EqualFunc(got, want, func(body, text string) bool { return body == fmt.Sprintf(`{"text":%q}`, text) }) {
			d.t.Errorf("%s: %q", p.User(), got)
		}
		if epoch, cursors := p.Position(); cursors[conv] != 7 && p == bob {
			d.t.Errorf("%s is at %d in epoch %s", p.User(), cursors[conv], epoch)
		}
	}
}

// proved puts the restored deployment under load, and has it judged.
func (d *deployment) proved() {
	d.t.Helper()
	report, err := verify.Run(d.t.Context(), verify.Options{URLs: d.URLs, API: d.URLs[0], Users: 4, Messages: 200, Reconnects: 1,
		Token: func(_ context.Context, u chat.User) (string, error) { return d.Token(u) }})
	if err != nil {
		d.t.Fatal(err)
	}
	if !report.OK() {
		d.t.Errorf("%+v", report.Verdict)
	}
}
