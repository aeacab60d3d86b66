package mongotest_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

// deployment is gateways over one database. Each has its own way to the server;
// the test has one of its own too, on which nothing is disturbed.
type deployment struct {
	t      *testing.T
	server *mongotest.Server
	db     string
	truth  *mongostore.Store
	meta   store.MetaInfo
	nats   string
	signer *auth.Signer
	keys   *auth.Verifier
}

var aliceBob = chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, "alice", "bob")}

func deploy(t *testing.T, server *mongotest.Server, nats *natstest.Server) *deployment {
	t.Helper()
	d := &deployment{t: t, server: server, db: server.Database(t), nats: nats.URL}
	d.truth = d.store(server.URI)
	secret := auth.NewSecret()
	var err error
	if d.keys, err = auth.NewVerifier(auth.Options{HS256Secret: secret}); err != nil {
		t.Fatal(err)
	}
	if d.signer, err = auth.NewSigner(auth.SignerOptions{HS256Secret: secret}); err != nil {
		t.Fatal(err)
	}
	if d.meta, err = d.truth.Meta(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *deployment) store(uri string) *mongostore.Store {
	d.t.Helper()
	s, err := mongostore.Open(d.t.Context(), mongostore.Options{URI: uri, Database: d.db, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			d.t.Error(err)
		}
	})
	return s
}

// gateway starts one that reaches the server by a URI.
func (d *deployment) gateway(uri string) (g *gateway.Gateway, url string) {
	d.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b, err := bus.Connect(d.t.Context(), bus.Options{URL: d.nats, Cluster: d.meta.Cluster, Logger: quiet})
	if err != nil {
		d.t.Fatal(err)
	}
	ending := func(f func(context.Context)) {
		d.t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			f(ctx)
		})
	}
	ending(func(ctx context.Context) {
		if err := b.Drain(ctx); err != nil {
			d.t.Error(err)
		}
	})
	g, err = gateway.New(d.t.Context(), gateway.Options{Store: d.store(uri), Bus: b, Verifier: d.keys, Meta: d.meta, Log: quiet})
	if err != nil {
		d.t.Fatal(err)
	}
	srv := httptest.NewServer(g.Handler())
	d.t.Cleanup(srv.Close)
	ending(g.Drain)
	return g, srv.URL
}

// person is a client that lets no ack pass that says too much.
type person struct {
	*client.Client
	user    chat.User
	refused chan chat.Code // codes of error frames; the client repeats the command by itself
	acks    chan wire.Ack  // as they came: the client is content with an entry

	mu  sync.Mutex
	log []wire.Entry
}

func (d *deployment) connect(url string, user chat.User, device chat.Device) *person {
	d.t.Helper()
	p := &person{user: user, refused: make(chan chat.Code, 100), acks: make(chan wire.Ack, 100)}
	synced := make(chan struct{}, 10)
	c, err := client.Start(d.t.Context(), client.Options{
		URLs: []string{url}, Device: device, RecvDelay: time.Millisecond,
		Token: func(context.Context) (string, error) { return d.signer.Sign(auth.Identity{User: user}, time.Hour) },
		Handler: func(ev client.Event) {
			switch ev := ev.(type) {
			case client.Entry:
				p.mu.Lock()
				p.log = append(p.log, ev.Entry)
				p.mu.Unlock()
			case client.Frame:
				if _, ok := ev.Frame.(*wire.Synced); ok {
					synced <- struct{}{}
				}
			}
		},
		Trace: client.Trace{Read: func(_ int, frame any, _ []byte) {
			switch f := frame.(type) {
			case *wire.Ack:
				d.mustBeFinished(user, f)
				p.acks <- *f
			case *wire.Error:
				p.refused <- f.Code
			}
		}},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	p.Client = c
	d.t.Cleanup(c.Close)
	await(d.t, synced, "synced")
	return p
}

// mustBeFinished looks whether what is acked is stored and under the head already.
func (d *deployment) mustBeFinished(user chat.User, ack *wire.Ack) {
	key := chat.Key{NS: chat.DefaultNS, Conv: ack.Conv}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := d.truth.Lookup(ctx, key, user, ack.CMID)
	if err != nil || e.Seq != ack.Seq {
		d.t.Errorf("acked %s as %d; stored: %d, %v", ack.CMID, ack.Seq, e.Seq, err)
	}
	convs, err := d.truth.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil || len(convs) != 1 || convs[0].Last.Seq < ack.Seq {
		d.t.Errorf("acked %s as %d; the head: %+v, %v", ack.CMID, ack.Seq, convs, err)
	}
}

func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s in %v", what, patience)
		panic("unreachable")
	}
}

func (d *deployment) start(p *person, to chat.User, cmid string) *client.Sent {
	d.t.Helper()
	sent, err := p.SendTo(to, client.Message{Text: cmid, CMID: chat.CMID(cmid)})
	if err != nil {
		d.t.Fatal(err)
	}
	return sent
}

// acked waits for the ack of a command, which must say this. It may be a dup where the
// client has sent the command again: a gateway has no answer after 8 s.
func (d *deployment) acked(p *person, sent *client.Sent, seq chat.Seq, dup bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	if ack, err := sent.Wait(ctx); err != nil || ack.Seq != seq {
		d.t.Fatalf("%s: %+v, %v; want seq %d", sent.CMID, ack, err, seq)
	}
	for {
		ack := await(d.t, p.acks, "ack")
		if ack.CMID != sent.CMID {
			continue
		}
		if dup = dup || ack.Dup && p.Stats().Retries > 0; ack.Seq != seq || ack.Dup != dup {
			d.t.Fatalf("acked with %+v; want seq %d, dup %v", ack, seq, dup)
		}
		return
	}
}

func (d *deployment) send(p *person, to chat.User, cmid string, seq chat.Seq) {
	d.t.Helper()
	d.acked(p, d.start(p, to, cmid), seq, false)
}

// repeat sends what is stored already from another device.
func (d *deployment) repeat(p *person, to chat.User, cmid string, seq chat.Seq) {
	d.t.Helper()
	d.acked(p, d.start(p, to, cmid), seq, true)
}

func (d *deployment) noAck(sent *client.Sent) {
	d.t.Helper()
	select {
	case <-sent.Done():
		d.t.Fatalf("%s is answered already", sent.CMID)
	default:
	}
}

// audit reads the log back: these cmids in this order, each once, and every person
// gets just that.
func (d *deployment) audit(people []*person, cmids ...chat.CMID) {
	d.t.Helper()
	log, err := d.truth.Entries(d.t.Context(), aliceBob, store.Range{Limit: 100})
	if err != nil || len(log) != len(cmids) {
		d.t.Fatalf("%d entries, %v; want %v", len(log), err, cmids)
	}
	for i, e := range log {
		if e.Seq != chat.Seq(i+1) || e.CMID != cmids[i] || e.Count != int64(i+1) {
			d.t.Errorf("entry %d is %+v, want %s", i+1, e, cmids[i])
		}
	}
	for _, p := range people {
		var got []wire.Entry
		until(d.t, "everything at "+string(p.user), func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			got = p.log
			return len(got) >= len(cmids)
		})
		for i, e := range got {
			if i >= len(cmids) || e.Seq != chat.Seq(i+1) || e.CMID != cmids[i] {
				d.t.Errorf("%s got %+v as number %d", p.user, e, i+1)
			}
		}
		if s := p.Stats(); s.Gaps > 0 || s.Duplicates > 0 {
			d.t.Errorf("%s: %+v", p.user, s)
		}
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("no %s in %v", what, patience)
		}
	}
}
