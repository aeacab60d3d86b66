// Package bus is NATS: what one pod tells the others, in step 6 of a message's
// way. Every subject name and every connection option is here, and nothing of
// NATS is known outside.
//
// The bus promises nothing: a message arrives at every other pod that is
// connected, once, in the order of its sender, or not at all. The store is the
// truth; the bus only says that there is something new in it. What matters more
// than delivery is that loss is noticed: a [Bus] says when it was away
// ([Options].OnState) and when it dropped something ([Options].OnLoss), and never
// keeps a message for later.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parley-chat/parley/pkg/lifecycle"
)

// MaxData is the largest message in bytes: half of what a NATS server takes by
// default.
const MaxData = 512 << 10

// The errors of a [Bus], for errors.Is.
var (
	// ErrDisconnected: there is no connection now. The bus is coming back by itself.
	ErrDisconnected = errors.New("NATS is not connected")
	// ErrFull: more is being published than the network takes.
	ErrFull = errors.New("the outbound queue to NATS is full")
	// ErrTooLarge: the message has more than [MaxData] bytes.
	ErrTooLarge = fmt.Errorf("a message on the bus has more than %d bytes", MaxData)
	// ErrClosed: [Bus.Drain] was called.
	ErrClosed = errors.New("the bus is closed")
)

// State is whether the bus is in touch with NATS.
type State int32

// The states of a bus. It goes to and fro between the first two, and ends in the
// third.
const (
	StateDisconnected State = iota
	StateConnected
	StateClosed
)

func (s State) String() string {
	switch s {
	case StateConnected:
		return "connected"
	case StateClosed:
		return "closed"
	}
	return "disconnected"
}

// Options is how a bus connects. URL and Cluster must be set.
type Options struct {
	// URL is one or more servers, separated by commas: nats://[user:password@]host:port
	// or tls://. Credentials are in no log and no error.
	URL string
	// Files has what is rotated: with it, a bus follows without a restart.
	Files
	// Name is what the NATS server calls this connection, such as the pod's name.
	Name string
	// Cluster separates deployments that share a NATS: it is a part of every
	// subject. 1 to 64 letters, digits, "_" and "-".
	Cluster string
	// Logger gets what operators should know. Nil: nothing is logged.
	Logger *slog.Logger

	// PendingMessages and PendingBytes bound what waits for the function of one
	// subscription; what comes beyond is lost, and OnLoss is called. 0: 65,536
	// messages and 32 MiB, which is never less than 2 MiB.
	PendingMessages int
	PendingBytes    int
	// OutboundBytes bounds what waits to be written; what comes beyond is refused
	// with ErrFull. 0: 8 MiB; never less than 1 MiB.
	OutboundBytes int

	// OnState is called on every change once Connect has found NATS, one call at a
	// time. With [StateConnected], all subscriptions are in place again, and what
	// was published in the meantime has been missed. It must not block nor call
	// Drain. Nil: nobody is told.
	OnState func(State)
	// OnLoss says that messages of this topic were dropped because the function
	// that takes them is too slow: once when it begins, and once more when it is
	// over if more were dropped since. It is called from several goroutines and
	// must not block. Nil: nobody is told.
	OnLoss func(Topic)
	// OnDenied says that the server does not permit its user what the bus needs: what
	// is published is not delivered, or what is subscribed to does not come. It is
	// called for the first refusal on a connection, after OnState, and then once in
	// 10 s at most; it must not block. The reason has no secrets.
	// Nil: nobody is told.
	OnDenied func(reason string)
}

// Bus is a connection to NATS. Its methods are safe for concurrent use.
type Bus struct {
	o        Options
	log      *slog.Logger
	servers  *servers
	login    *login // nil: the URL has the credentials
	subjects map[Topic]string
	out      *outbound

	// life ends when the bus is closed. The goroutines of the bus are counted in wg.
	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup

	state   atomic.Int32
	down    atomic.Pointer[chan struct{}] // closed when the present connection is lost
	stateMu sync.Mutex                    // orders the changes of both, and the calls of OnState and OnDenied
	refusal refusal                       // guarded by stateMu: what is told when the bus is connected

	// lost gets a token when NATS has ended the connection for good.
	lost chan struct{}

	counts   counts
	troubles rate // of errors while the connection is there or being restored
	denials  rate // of what its user may not do

	mu       sync.Mutex // below: the connection, and what is to be on it
	nc       *nats.Conn
	subs     map[*subscription]struct{}
	inboxes  map[*inbox]struct{}
	draining bool
}

// Connect makes a bus. It waits until NATS is there, with growing pauses and a
// line in the log, until ctx ends; options that can never work are refused at
// once.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	b, err := newBus(o)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	// Nobody has the bus before this is true, and no later loss is overlooked.
	b.state.Store(int32(StateConnected))
	down := make(chan struct{})
	b.down.Store(&down)
	stop := context.AfterFunc(ctx, b.end) // ends a dial, too
	err = lifecycle.WaitFor(ctx, b.log, "nats", func(context.Context) error { return b.dial() })
	if err == nil && !stop() {
		err = fmt.Errorf("wait for nats: %w", context.Cause(ctx))
	}
	if err != nil {
		b.end()
		if b.nc != nil {
			b.nc.Close()
		}
		return nil, err
	}
	b.log.Info("connected to NATS", "server", b.nc.ConnectedAddr())
	b.wg.Go(b.run)
	return b, nil
}

func newBus(o Options) (*Bus, error) {
	if !validCluster(o.Cluster) {
		return nil, fmt.Errorf("the cluster name %q is not 1 to 64 letters, digits, _ and -", o.Cluster)
	}
	if o.URLFile != "" {
		text, err := readURL(o.URLFile)
		if err != nil {
			return nil, err
		}
		o.URL = text
	}
	servers, err := parseServers(o.URL)
	if err != nil {
		return nil, err
	}
	o.setDefaults()
	b := &Bus{
		o:        o,
		log:      o.Logger,
		servers:  servers,
		subjects: subjects(o.Cluster),
		out:      newOutbound(o.OutboundBytes),
		lost:     make(chan struct{}, 1),
		troubles: rate{every: troubleEvery},
		denials:  rate{every: troubleEvery},
		subs:     map[*subscription]struct{}{},
		inboxes:  map[*inbox]struct{}{},
	}
	if o.URLFile != "" {
		servers.withoutUsers()
		b.login = &login{file: o.URLFile, servers: servers, last: servers.user, failed: func(err error) {
			b.log.Warn("the credentials for NATS cannot be read; the ones before are used", "error", err)
		}}
	}
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.PendingMessages <= 0 {
		o.PendingMessages = 64 << 10
	}
	if o.PendingBytes <= 0 {
		o.PendingBytes = 32 << 20
	}
	o.PendingBytes = max(o.PendingBytes, 4*MaxData)
	if o.OutboundBytes <= 0 {
		o.OutboundBytes = 8 << 20
	}
	o.OutboundBytes = max(o.OutboundBytes, 2*MaxData)
}

// Connected reports whether the bus is in touch with NATS. It does not block. A
// server that vanished without a word is noticed after 20 to 30 s.
func (b *Bus) Connected() bool { return State(b.state.Load()) == StateConnected }

// Publish hands data to every other pod that listens to the topic. It copies
// data and does not block: it fails at once with [ErrDisconnected], [ErrFull],
// [ErrTooLarge] or [ErrClosed]. Success says nothing about delivery.
func (b *Bus) Publish(topic Topic, data []byte) error {
	if len(data) > MaxData {
		return ErrTooLarge
	}
	subject, ok := b.subjects[topic]
	if !ok {
		return fmt.Errorf("publish: unknown topic %q", topic)
	}
	if err := b.out.push(subject, data); err != nil {
		b.counts.refused.Add(1)
		return err
	}
	return nil
}

// Flush waits until NATS has everything that was published and every
// subscription that was made before, or until ctx ends, or the connection. An
// error does not say what got through.
func (b *Bus) Flush(ctx context.Context) error {
	b.mu.Lock()
	if b.draining {
		b.mu.Unlock()
		return ErrClosed
	}
	wait := b.flushLocked(ctx)
	b.mu.Unlock()
	return wait()
}

// noDeadline is for a caller's context without one, which nats.go does not take.
// It is longer than a dead connection goes unnoticed.
const noDeadline = time.Minute

// flushLocked flushes in a goroutine, because the connection may be locked by a
// write that waits for the network for longer than ctx.
func (b *Bus) flushLocked(ctx context.Context) (wait func() error) {
	ctx, cancel := context.WithTimeout(ctx, noDeadline)
	nc, down, done := b.nc, *b.down.Load(), make(chan error, 1)
	inboxes := slices.Collect(maps.Keys(b.inboxes))
	b.wg.Go(func() { done <- b.flush(ctx, nc, inboxes) })
	return func() error {
		defer cancel()
		select {
		case err := <-done:
			return err
		case <-down:
			return ErrDisconnected
		case <-ctx.Done():
			return fmt.Errorf("flush: %w", ctx.Err())
		}
	}
}

func (b *Bus) flush(ctx context.Context, nc *nats.Conn, inboxes []*inbox) error {
	before := nc.Stats().Reconnects
	barriers := []<-chan error{b.out.barrier()}
	for _, i := range inboxes {
		barriers = append(barriers, i.barrier())
	}
	for _, barrier := range barriers {
		select {
		case err := <-barrier:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("flush: %w", ctx.Err())
		}
	}
	err := nc.FlushWithContext(ctx)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("flush: %w", ctx.Err())
	case err != nil, nc.Stats().Reconnects != before:
		return ErrDisconnected
	}
	return nil
}
