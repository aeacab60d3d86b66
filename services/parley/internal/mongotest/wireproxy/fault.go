package wireproxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Codes that a server answers with while a replica set changes its primary, and
// where a majority did not confirm a write, or a read, in time.
const (
	CodeNotWritablePrimary  = 10107
	CodePrimarySteppedDown  = 189
	CodeWriteConcernTimeout = 64
	CodeMaxTimeMSExpired    = 50
)

// Fault is something that goes wrong with commands that pass the proxy.
type Fault struct {
	// Command is the name of the commands that it befalls: "insert", "update".
	// Required: a driver sends commands of its own that no test should disturb.
	Command string
	// Collection narrows it to commands on one collection. Default: any.
	Collection string
	// Skip lets so many of them pass first. Default: none.
	Skip int
	// Times is how many it befalls. Default: 1.
	Times int

	// Apply sends the command to the server before what follows happens.
	Apply bool
	// Hold keeps the answer back until it is closed. Default: no waiting.
	Hold <-chan struct{}
	// Cut closes the client's connection instead of answering: with Apply, a lost
	// reply.
	Cut bool
	// Code is an error code to answer with. Default: none; without Apply and Cut,
	// one is required.
	Code int32
	// WriteConcern puts Code into a writeConcernError beside the server's own
	// answer, which says that the write took place. It needs Apply.
	WriteConcern bool

	// Late applies the command when it is closed, by a connection of its own, and
	// whatever the client was told, or has tried again, meanwhile. Not with Apply.
	// Default: what is not applied at once never is.
	Late <-chan struct{}
	// Applied gets the server's answer to a late command, nil where it gave none. It
	// must not block, nor keep the answer. Default: nobody does.
	Applied func(answer bson.Raw)
	// Hide keeps the documents that an insert brings from majority reads until it is
	// closed: see hide.go. It needs Apply. Default: they are seen.
	Hide <-chan struct{}

	hit chan struct{}
}

// Inject makes f happen from now on. The channel that it returns gets a value
// each time that f has struck a command; it never blocks the proxy.
func (p *Proxy) Inject(f Fault) <-chan struct{} {
	f.Times = max(f.Times, 1)
	f.hit = make(chan struct{}, f.Times)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &f)
	return f.hit
}

// Heal ends all faults that have not happened yet.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// take finds the fault that befalls a command, nil if none does.
func (p *Proxy) take(cmd, coll string) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.faults {
		if f.Command != cmd || f.Collection != "" && f.Collection != coll {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			p.faults = append(p.faults[:i:i], p.faults[i+1:]...)
		}
		f.hit <- struct{}{}
		return f
	}
	return nil
}

// Unsettles reports whether the client's driver takes the server for gone: it looks at it
// again before it sends anything else, reads included.
func (f *Fault) Unsettles() bool {
	return f.Cut || !f.WriteConcern && (f.Code == CodeNotWritablePrimary || f.Code == CodePrimarySteppedDown)
}

// errCut ends a connection that a fault cuts.
var errCut = errors.New("cut by a fault")

// answer gives the client what f makes of res, the server's answer or, where
// the command was not applied, an empty one.
func (f *Fault) answer(ctx context.Context, client net.Conn, res message) error {
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Cut {
		return errCut
	}
	if f.Code != 0 {
		var err error
		if res, err = spoil(res, f.Code, f.WriteConcern); err != nil {
			return err
		}
	}
	_, err := client.Write(res)
	return err
}

// spoil puts an error into an answer, or beside it as one of the write concern.
func spoil(res message, code int32, writeConcern bool) (message, error) {
	names := map[int32]string{
		CodeNotWritablePrimary:  "NotWritablePrimary",
		CodePrimarySteppedDown:  "PrimarySteppedDown",
		CodeWriteConcernTimeout: "WriteConcernTimeout",
	}
	told := bson.D{
		{Key: "code", Value: code},
		{Key: "codeName", Value: names[code]},
		{Key: "errmsg", Value: "a fault made by the test"},
	}
	doc := append(bson.D{{Key: "ok", Value: 0.0}}, told...)
	if writeConcern {
		body, err := res.body()
		if err != nil {
			return nil, err
		}
		doc = nil
		if err := bson.Unmarshal(body, &doc); err != nil {
			return nil, fmt.Errorf("decoding the server's answer: %w", err)
		}
		doc = append(doc, bson.E{Key: "writeConcernError", Value: told})
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return reply(binary.LittleEndian.Uint32(res[8:]), raw), nil
}
