// Package wireproxy is a proxy for the MongoDB wire protocol, for tests. It does
// three things. It lets one update, findAndModify or delete through at a time
// over all connections, because FerretDB version 1 does not make them atomic
// between connections. It refuses what the strict Stable API does not have,
// because FerretDB takes everything. And it plays faults that a driver meets in
// production: another primary, a lost reply, a cut connection, a write concern that
// was not met, a write that takes place long after its client was told of an error,
// and one that majority reads do not show yet.
package wireproxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options configure a proxy.
type Options struct {
	// Target is the host:port of the server. Required.
	Target string
	// Serialize lets only one writing command that is not an insert through at a
	// time. Default: all pass.
	Serialize bool
	// Observe is called with each command that comes from a client, before
	// anything is done with it; it may run concurrently with itself, and must not
	// keep the command. Default: nobody watches.
	Observe func(command bson.Raw)
	// Struck is called with each fault when it befalls a command, before the client
	// hears of it. It may run concurrently with itself, and must not keep the fault.
	// Default: nobody is told.
	Struck func(f *Fault)
}

// Proxy stands between clients and one server.
type Proxy struct {
	opts Options

	// turn holds one token: whoever takes it may send a serialised command.
	turn chan struct{}

	running sync.WaitGroup // connections, and late commands

	mu     sync.Mutex
	faults []*Fault
	hidden []hidden
	conns  map[net.Conn]struct{} // of clients
}

// New makes a proxy; it does nothing until [Proxy.Serve].
func New(o Options) *Proxy {
	return &Proxy{opts: o, turn: make(chan struct{}, 1), conns: make(map[net.Conn]struct{})}
}

// Serve takes connections from ln until ctx ends, and returns the cause after
// the last of them is closed. It closes ln.
func (p *Proxy) Serve(ctx context.Context, ln net.Listener) error {
	defer p.running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("accepting: %w", err)
		}
		p.running.Go(func() { p.handle(ctx, c) })
	}
}

// Cut closes all connections that clients have now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) handle(ctx context.Context, client net.Conn) {
	p.mu.Lock()
	p.conns[client] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
		client.Close()
	}()
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", p.opts.Target)
	if err != nil {
		return // the client sees a closed connection, as it would without a proxy
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	for {
		req, err := readMessage(client)
		if err != nil {
			return
		}
		if err := p.exchange(ctx, client, server, req); err != nil {
			return
		}
	}
}

// exchange takes one request to its answer. An error ends the connection.
func (p *Proxy) exchange(ctx context.Context, client, server net.Conn, req message) error {
	doc, err := req.command()
	if err != nil {
		return err
	}
	if p.opts.Observe != nil {
		p.opts.Observe(doc)
	}
	cmd, coll := name(doc)
	if what := breach(doc); what != "" {
		return refuse(client, req, codeAPIStrict, "APIStrictError", what+" is not in Stable API version 1")
	}
	fault := p.take(cmd, coll)
	if fault != nil && p.opts.Struck != nil {
		p.opts.Struck(fault)
	}
	if fault != nil && !fault.Apply {
		if fault.Late != nil {
			p.running.Go(func() { p.later(ctx, fault, req, cmd) })
		}
		return fault.answer(ctx, client, reply(req.requestID(), bson.Raw(emptyOK)))
	}
	if fault != nil && fault.Hide != nil {
		if err := p.hide(coll, req, fault.Hide); err != nil {
			return err
		}
	}
	if p.majority(ctx, doc) {
		return refuse(client, req, CodeMaxTimeMSExpired, "MaxTimeMSExpired", "operation exceeded time limit")
	}
	if req, err = p.blindfold(req, doc); err != nil {
		return err
	}
	res, err := p.forward(ctx, server, req, cmd)
	if err != nil || res == nil {
		return err
	}
	if fault != nil {
		return fault.answer(ctx, client, res)
	}
	if res, err = p.unconfirmed(res, cmd); err != nil {
		return err
	}
	_, err = client.Write(res)
	return err
}

// later applies a command when its fault says so.
func (p *Proxy) later(ctx context.Context, f *Fault, req message, cmd string) {
	var answer bson.Raw
	if f.Applied != nil {
		defer func() { f.Applied(answer) }()
	}
	select {
	case <-f.Late:
	case <-ctx.Done():
		return
	}
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", p.opts.Target)
	if err != nil {
		return // then it is never applied, which a late command may be
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	res, err := p.forward(ctx, server, req, cmd)
	if err != nil || res == nil {
		return
	}
	if answer, err = res.body(); err != nil {
		answer = nil
	}
}

// forward sends a request to the server and reads its answer, nil where the
// request wants none.
func (p *Proxy) forward(ctx context.Context, server net.Conn, req message, cmd string) (message, error) {
	if p.opts.Serialize && (cmd == "update" || cmd == "findAndModify" || cmd == "delete") {
		select {
		case p.turn <- struct{}{}:
			defer func() { <-p.turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if _, err := server.Write(req); err != nil {
		return nil, err
	}
	if req.flags()&flagMoreToCome != 0 {
		return nil, nil
	}
	res, err := readMessage(server)
	if err != nil {
		return nil, err
	}
	if res.flags()&flagMoreToCome != 0 {
		return nil, errors.New("the server streams answers")
	}
	return res, nil
}

// refuse answers a request with an error of the proxy's own.
func refuse(client net.Conn, req message, code int32, codeName, text string) error {
	doc, err := bson.Marshal(bson.D{
		{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "codeName", Value: codeName}, {Key: "errmsg", Value: text},
	})
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	_, err = client.Write(reply(req.requestID(), doc))
	return err
}

// emptyOK is a BSON document without fields.
var emptyOK = binary.LittleEndian.AppendUint32(nil, 5)
