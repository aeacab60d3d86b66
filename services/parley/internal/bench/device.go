package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
	"github.com/parley-chat/parley/services/parley/internal/bench/socket"
)

// device is one simulated client. It keeps its places when it loses its
// connection, as a client does.
type device struct {
	r       *run
	user    chat.User
	name    chat.Device
	address string
	token   string
	deliver bool // the messages that it gets count as deliveries

	// Owned by whoever connects it, and then by its reader.
	conn      *socket.Conn
	epoch     string
	features  []string
	server    string
	perSecond int           // sends that the server takes of a session
	gone      chan struct{} // closed when the reader has ended; nil: there was none
	synced    bool
	places    map[string]*place
	last      *place // the one used last
	now       int64  // when the frame that is looked at was read, on the run's clock
	frame     frame
	out       []byte
	ackRec    measure.Recorder
	delRec    measure.Recorder
	onPage    func(*frame) // answers to history; nil: none are expected
	first     int64        // when the first entry of this connection came; 0: none has

	leaving  atomic.Bool  // the connection is to end
	acks     atomic.Int64 // these three count for ever
	received atomic.Int64 // messages of this run
	arrived  atomic.Int64 // of them, those that count as deliveries
}

// newDevice makes a device on one of the gateways.
func (r *run) newDevice(ctx context.Context, user chat.User, name chat.Device, gateway int) (*device, error) {
	token, err := r.Token(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("get a token for %s: %w", user, err)
	}
	address := strings.TrimSuffix(r.URLs[gateway%len(r.URLs)], "/")
	if !strings.HasSuffix(address, "/v1/ws") {
		address += "/v1/ws"
	}
	d := &device{r: r, user: user, name: name, address: address, token: token, places: make(map[string]*place),
		ackRec: r.ack.Recorder(), delRec: r.delivery.Recorder()}
	r.devices = append(r.devices, d)
	return d, nil
}

// connect connects, says hello and reads until synced. What the device holds
// already it says in resume.
func (d *device) connect(ctx context.Context) error {
	began := time.Now()
	if err := d.dial(ctx); err != nil {
		return err
	}
	if err := d.hello(ctx); err != nil {
		return err
	}
	d.r.login.Record(time.Since(began))
	return nil
}

func (d *device) dial(ctx context.Context) error {
	c, err := socket.Dial(ctx, d.address, socket.Options{Subprotocol: wire.Subprotocol,
		Header: http.Header{"Authorization": {"Bearer " + d.token}}})
	if err != nil {
		return err
	}
	d.conn, d.synced, d.first = c, false, 0
	d.leaving.Store(false)
	return nil
}

func (d *device) hello(ctx context.Context) error {
	attempt := time.Now().UnixMilli()
	h := &wire.Hello{Device: d.name, Attempt: &attempt, Client: &wire.ClientInfo{Name: "parley-bench"}}
	if len(d.places) > 0 {
		h.Resume = &wire.Resume{Epoch: d.epoch, Cursors: make(map[chat.ConvID]chat.Seq)}
		for conv, p := range d.places {
			h.Resume.Cursors[chat.ConvID(conv)] = chat.Seq(p.seq)
		}
	}
	b, err := wire.EncodeClient(h)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, d.conn.Close)
	defer stop()
	d.conn.Queue(b)
	if err := d.conn.Flush(); err != nil {
		return err
	}
	for !d.synced {
		if err := d.read(); err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// disconnect ends the connection as a lost network does. The reader ends then.
func (d *device) disconnect() {
	if d.conn != nil {
		d.leaving.Store(true)
		d.conn.Close()
	}
}

// start reads from now on, in a goroutine of its own.
func (d *device) start() {
	d.gone = make(chan struct{})
	d.r.readers.Go(d.serve)
}

// drop ends the connection and waits for its reader.
func (d *device) drop() {
	d.disconnect()
	if d.gone != nil {
		<-d.gone
	}
}

// serve reads until the connection ends.
func (d *device) serve() {
	defer close(d.gone)
	defer d.conn.Close()
	for {
		if err := d.read(); err != nil {
			if !d.leaving.Load() {
				d.r.note(&d.r.Closed, 1, "%s: %v", d.user, err)
			}
			return
		}
		if !d.conn.Buffered() {
			if err := d.conn.Flush(); err != nil && !d.leaving.Load() {
				d.r.note(&d.r.Closed, 1, "%s: %v", d.user, err)
				return
			}
		}
	}
}

// read reads one frame and does what is to be done about it.
func (d *device) read() error {
	fills := d.conn.Fills()
	b, err := d.conn.Next()
	if err != nil {
		return err
	}
	if d.conn.Fills() != fills {
		d.now = d.r.now() // all that came with one read came now
	}
	if !d.frame.scan(b) {
		d.r.note(&d.r.Failed, 1, "%s: a frame that cannot be read: %.200q", d.user, b)
		return nil
	}
	f := &d.frame
	switch string(f.typ) {
	case "message":
		d.onEntry(f)
	case "ack":
		d.onAck(f)
	case "conversation":
		d.open(f)
	case "welcome":
		return d.onWelcome(b)
	case "synced":
		d.synced = true
	case "page":
		if d.onPage != nil {
			d.onPage(f)
		}
	case "error":
		d.r.note(&d.r.Refused, 1, "%s: %s: %s", d.user, f.code, f.message)
	case "reset":
		d.r.note(&d.r.Resets, 1, "%s: reset of %q, next is %d", d.user, f.conv, f.next)
		if p := d.find(f.conv); p != nil && f.next > 0 {
			p.seq = f.next - 1
		}
	default:
		if f.entry {
			d.onEntry(f)
		}
	}
	return nil
}

func (d *device) onWelcome(b []byte) error {
	f, err := wire.DecodeServer(b)
	if err != nil {
		return err
	}
	w, ok := f.(*wire.Welcome)
	if !ok {
		return fmt.Errorf("%T instead of welcome", f)
	}
	d.epoch, d.features, d.perSecond = w.Epoch, w.Features, w.Limits.SendsPerS
	d.server = w.Server
	return nil
}

// open makes a place of a conversation that the device has not had before.
func (d *device) open(f *frame) {
	if d.find(f.conv) == nil {
		conv := string(f.conv)
		d.places[conv] = &place{conv: conv, seq: max(f.joined, 1) - 1}
	}
}

// find is the device's place in a conversation; nil where it has none.
func (d *device) find(conv []byte) *place {
	if d.last == nil || !bytes.Equal([]byte(d.last.conv), conv) {
		d.last = d.places[string(conv)]
	}
	return d.last
}

// place is the same for when nobody reads; it is never nil.
func (d *device) place(conv string) *place {
	if p := d.places[conv]; p != nil {
		return p
	}
	return &place{conv: conv}
}

func (d *device) onEntry(f *frame) {
	r := d.r
	if d.first == 0 {
		d.first = d.now
	}
	p := d.find(f.conv)
	if p == nil {
		r.note(&r.Failed, 1, "%s: an entry of %s before its conversation frame", d.user, f.conv)
		return
	}
	p.entry(f.seq, &r.violations, string(d.user))
	if !bytes.HasPrefix(f.text, []byte(r.id)) {
		if f.text != nil {
			r.note(&r.Altered, 1, "%s, %s: message %d says %.60q", d.user, p.conv, f.seq, f.text)
		}
		return
	}
	d.message(f, p)
}

// message looks at a message of this run.
func (d *device) message(f *frame, p *place) {
	r := d.r
	var s stamp
	ok := len(f.text) == r.Size
	if ok {
		s, ok = parseStamp(f.text[len(r.id)+1:], ' ')
	}
	if !ok || s.flow >= len(r.flows) || r.flows[s.flow].conv != p.conv || r.flows[s.flow].from.user != chat.User(f.from) {
		r.note(&r.Altered, 1, "%s, %s: message %d of %s says %.60q", d.user, p.conv, f.seq, f.from, f.text)
		return
	}
	if !p.message(s, &r.violations, string(d.user)) {
		return
	}
	d.received.Add(1)
	fl := r.flows[s.flow]
	if fl.from == d {
		return
	}
	if d.deliver {
		d.arrived.Add(1)
		if r.measured(s.at) {
			d.delRec.Record(time.Duration(d.now - s.at))
		}
	}
	if r.Recv > 0 && d.now-p.told > int64(r.Recv) {
		p.told = d.now
		d.out = append(append(append(d.out[:0], `{"type":"recv","conv":"`...), p.conv...), `","seq":`...)
		d.out = append(strconv.AppendInt(d.out, f.seq, 10), '}')
		d.conn.Queue(d.out) // leaves when all that was read is done with
	}
	if fl.whole != nil {
		fl.have(s)
	}
}

// onAck takes the ack of a message of one's own, and in a closed loop sends the
// next one.
func (d *device) onAck(f *frame) {
	r := d.r
	i := bytes.IndexByte(f.cmid, '-')
	s, ok := parseStamp(f.cmid[i+1:], '-')
	if !ok || s.flow >= len(r.flows) || r.flows[s.flow].from != d {
		r.note(&r.Altered, 1, "%s: an ack of %q", d.user, f.cmid)
		return
	}
	fl := r.flows[s.flow]
	if want := fl.acked.Load() + 1; f.dup || s.number < want {
		r.note(&r.Duplicates, 1, "%s: message %d of flow %d is acked again", d.user, s.number, s.flow)
		return
	} else if s.number > want {
		r.note(&r.Disordered, s.number-want, "%s: the ack of message %d of flow %d comes before that of %d", d.user, s.number, s.flow, want)
	}
	fl.acked.Store(s.number)
	d.acks.Add(1)
	if r.measured(s.at) {
		d.ackRec.Record(time.Duration(d.now - s.at))
		if !r.sampled.Load() {
			r.sampled.Store(true)
		}
	}
	if fl.clocked && !r.stopping.Load() {
		fl.queue(d.now)
	}
}

// namespace is the tenant that the token names.
func (d *device) namespace() chat.NS {
	_, ns := client.TokenClaims(d.token)
	return ns
}

// has reports whether the server names a feature.
func (d *device) has(feature string) bool { return slices.Contains(d.features, feature) }
