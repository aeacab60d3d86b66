// Package verify puts a Parley deployment under load, with clients that lose
// their connections, and checks afterwards that every promise of the delivery
// contract was kept. It is what `parley verify` runs, against any deployment, and
// what the project's own tests judge with.
//
// It has two halves that know nothing of each other. The load (load.go, member.go,
// cutter.go, outsider.go, rest.go) makes a [History]: what every client logged, and
// what the store says afterwards. The checker (history.go and the check files) is a
// pure function over it, with one check for each invariant of DESIGN §11.
package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Options describe a run. URLs, API and Token are required.
type Options struct {
	URLs  []string // gateways
	API   string   // base of the REST API; for instance http://localhost:8080
	Token func(ctx context.Context, user chat.User) (string, error)

	Users      int // default 10, at least 2
	Devices    int // of each user; default 1
	Groups     int // beside the direct conversations of all pairs; default 2, negative: none
	Messages   int // in all; default 10,000
	Reconnects int // how often each client loses its connection; default 5, negative: never
	InFlight   int // messages of a client without an ack; default 16

	// Changes is the share of what is sent that changes an earlier message: edits,
	// recalls, reactions. Default 0.05; negative: none.
	Changes float64

	Bound time.Duration // how long a connected device may lack what was acked (I11); 0: it is only measured
	// Away tells, when the load is over, when nobody could read the store: what I11 leaves
	// out. The spans are in order, and do not overlap. Nil: it was always there.
	Away func() []Away
	Ops  []string // bases of operations ports, such as http://localhost:9090: their processes must return to what they held (I12)

	// PushLog is a file that whoever pushes has written since before the run, see
	// package pushlog (I13). It must be there when the run begins, and is read
	// when the pushes of the run have ended, or after Timeout. "": pushes are not judged.
	PushLog string

	Rate    float64       // messages a second, of all clients; 0: as fast as they are acked
	Timeout time.Duration // of the load, until everything has arrived; default 2 min
	Seed    uint64        // of every random choice; 0: a random one

	// Progress gets a line now and then, and the phases; nil: nobody does.
	Progress func(line string)
	// Sending is called when everybody is connected and the first message is about to
	// be sent: whoever wants to break something begins now. It must not block; nil:
	// nobody wants to know.
	Sending func()
	// History is handed what the run left, before it is judged; start is the zero of
	// its times. It must not keep or change it. Nil: nobody wants it.
	History func(h *History, start time.Time)

	over context.Context // ends the load's time before Timeout does; nil: nothing else ends it
}

func (o Options) withDefaults() (Options, error) {
	def := func(p *int, v int) {
		switch {
		case *p == 0:
			*p = v
		case *p < 0:
			*p = 0
		}
	}
	def(&o.Users, 10)
	def(&o.Devices, 1)
	def(&o.Groups, 2)
	def(&o.Messages, 10_000)
	def(&o.Reconnects, 5)
	def(&o.InFlight, 16)
	switch {
	case o.Changes == 0:
		o.Changes = 0.05
	case o.Changes < 0:
		o.Changes = 0
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	for o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	switch {
	case len(o.URLs) == 0 || o.API == "" || o.Token == nil:
		return o, errors.New("verify: URLs, API and Token are required")
	case o.Users < 2 || o.Devices < 1 || o.InFlight < 1:
		return o, errors.New("verify: at least 2 users with 1 device each, and 1 message in flight")
	case o.Changes > 1:
		return o, errors.New("verify: more than all of the messages are changes")
	case o.Rate < 0:
		return o, errors.New("verify: a negative rate")
	}
	return o, nil
}

// Run makes the load, waits until everything has arrived, and judges. The error is
// about the run itself: a server that cannot be reached, or answers nonsense. What
// the server did wrong is in the report, which is nil only with an error. Run
// blocks until it has finished: Options.Timeout for the load, and at most as much
// again for each thing that follows it, such as reading back.
func Run(ctx context.Context, opt Options) (*Report, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	before, err := holding(ctx, opt.Ops)
	if err != nil {
		return nil, err
	}
	if opt.PushLog != "" { // before the load, not after it
		if _, err := readPushLog(opt.PushLog); err != nil {
			return nil, err
		}
	}
	l := newLoad(opt)
	defer l.close()
	loadCtx, cancel := context.WithTimeout(ctx, opt.Timeout)
	defer cancel()
	if opt.over != nil {
		defer context.AfterFunc(opt.over, cancel)()
	}
	if err := l.prepare(loadCtx); err != nil {
		return nil, fmt.Errorf("prepare the run: %w", err)
	}
	if opt.Sending != nil {
		opt.Sending()
	}
	l.send(loadCtx)
	l.settle(loadCtx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	restCtx, cancel := context.WithTimeout(ctx, opt.Timeout)
	defer cancel()
	l.rest(restCtx)
	// The time for reading back is not the clients' fault.
	readCtx, cancel := context.WithTimeout(ctx, opt.Timeout)
	defer cancel()
	l.probe(readCtx)
	took := time.Since(l.start)
	l.close()
	history, err := l.readBack(readCtx)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	history.Bound = opt.Bound
	if opt.Away != nil {
		history.Away = awayFrom(l.start, opt.Away())
	}
	if len(opt.Ops) > 0 {
		opt.Progress("waiting until the processes hold what they held before")
		returnCtx, cancel := context.WithTimeout(ctx, opt.Timeout)
		defer cancel()
		if history.Processes, err = returning(returnCtx, opt.Ops, before); err != nil {
			return nil, err
		}
	}
	if opt.PushLog != "" {
		opt.Progress("waiting until every push has ended")
		pushCtx, cancel := context.WithTimeout(ctx, opt.Timeout)
		defer cancel()
		if history.Pushes, err = pushes(pushCtx, opt.PushLog, history.Convs); err != nil {
			return nil, err
		}
	}
	if opt.History != nil {
		opt.History(history, l.start)
	}
	opt.Progress("checking")
	return newReport(opt, l, history, took), nil
}
