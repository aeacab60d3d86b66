package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Inspection is what a NATS says of itself, and lets a pod do. See [Inspect].
type Inspection struct {
	Server     string // that was met
	Version    string
	Cluster    string   // its name; "": it is alone
	Servers    []string // that are known, those of the URL included
	MaxPayload int64    // bytes of a message that it takes
	TLS        bool
	RTT        time.Duration
	Topics     []TopicCheck
	Unreached  map[string]error // servers of the URL that cannot be used, and why
	Apart      []string         // servers of the URL to which messages from Server do not come: they are not one cluster
}

// TopicCheck is whether a message on a topic's subject comes back.
type TopicCheck struct {
	Topic   Topic
	Subject string
	Err     error // nil: it does
}

// doctorHeader marks the messages of Inspect. They are empty, and pods pass over them.
const doctorHeader = "Parley-Doctor"

// stepWait is how long a connection, or a message that is to come back, may take: a
// fifth of the time that ctx leaves, and 2 s where it leaves all the time.
func stepWait(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return 2 * time.Second
	}
	return time.Until(end) / 5
}

// Inspect connects to each server of o.URL, once, and sends an empty message to
// itself on the subject of each topic: with the rights of a pod, and without being
// one. users: also on a subject of single users. It blocks until that is done or ctx
// ends. It is an error if no server can be used.
func Inspect(ctx context.Context, o Options, users bool) (Inspection, error) {
	in := Inspection{Unreached: make(map[string]error)}
	b, err := newBus(o)
	if err != nil {
		return in, fmt.Errorf("inspect NATS: %w", err)
	}
	defer b.end()
	stop := context.AfterFunc(ctx, b.end)
	defer stop()
	var complaints complaints
	wait := stepWait(ctx)
	met, others := b.meet(&in, &complaints, wait)
	for _, nc := range others {
		defer nc.Close()
	}
	if met == nil {
		return in, errors.New("no server can be used")
	}
	defer met.Close()
	in.Server, in.Version, in.Cluster = met.ConnectedAddr(), met.ConnectedServerVersion(), met.ConnectedClusterName()
	in.MaxPayload, in.TLS = met.MaxPayload(), met.TLSRequired()
	in.Servers = b.known(met, others)
	if in.RTT, err = met.RTT(); err != nil {
		return in, fmt.Errorf("ask for an echo: %w", b.servers.safe(err))
	}
	for _, topic := range []Topic{TopicEntries, TopicSignals, TopicControl} {
		in.Topics = append(in.Topics, b.echo(ctx, wait, met, &complaints, topic))
	}
	if users {
		in.Topics = append(in.Topics, b.echo(ctx, wait, met, &complaints, TopicUsers))
	}
	if in.Topics[2].Err == nil {
		in.Apart = b.apart(ctx, wait, met, others)
	}
	return in, nil
}

// meet connects to each server of the URL; met is the first that can be used, others
// are by host.
func (b *Bus) meet(in *Inspection, said *complaints, wait time.Duration) (met *nats.Conn, others map[string]*nats.Conn) {
	others = make(map[string]*nats.Conn)
	for i, server := range b.servers.urls {
		no := b.options()
		no.Servers, no.NoEcho, no.AllowReconnect = []string{server}, false, false
		no.Name, no.Timeout, no.AsyncErrorCB = "parley-doctor", wait, said.add
		no.DisconnectedErrCB, no.ReconnectedCB, no.ReconnectErrCB, no.ClosedCB = nil, nil, nil, nil
		nc, err := no.Connect()
		switch {
		case err != nil:
			in.Unreached[b.servers.hosts[i]] = b.servers.safe(err)
		case met != nil:
			others[b.servers.hosts[i]] = nc
		default:
			met = nc
		}
	}
	return met, others
}

// known lists servers, without credentials: those that were met, and those that they
// know of.
func (b *Bus) known(met *nats.Conn, others map[string]*nats.Conn) []string {
	list := slices.Collect(maps.Keys(others))
	for _, s := range met.Servers() {
		s = s[strings.LastIndex(s, "@")+1:]
		if _, host, ok := strings.Cut(s, "://"); ok {
			s = host
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// apart lists the servers at which a message does not arrive that another one was given.
func (b *Bus) apart(ctx context.Context, wait time.Duration, met *nats.Conn, others map[string]*nats.Conn) (list []string) {
	for host, nc := range others {
		ctx, cancel := context.WithTimeout(ctx, wait)
		if pass(ctx, met, nc, b.subjects[TopicControl], &complaints{}) != nil {
			list = append(list, host)
		}
		cancel()
	}
	slices.Sort(list)
	return list
}

func (b *Bus) echo(ctx context.Context, wait time.Duration, nc *nats.Conn, said *complaints, topic Topic) TopicCheck {
	subject := b.subjects[topic]
	if topic == TopicUsers {
		subject = b.subjectOf(0)
	}
	check := TopicCheck{Topic: topic, Subject: subject}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := pass(ctx, nc, nc, subject, said)
	if refused := said.about(subject); refused != nil {
		err = refused // which is why nothing came
	}
	if err != nil {
		check.Err = b.servers.safe(err)
	}
	return check
}

// againAfter is how long a cluster may take to learn that there is a subscription.
const againAfter = 100 * time.Millisecond

// pass sees to it that a message of one connection comes to another, or to itself. It
// does not wait for what the server has said that it refuses.
func pass(ctx context.Context, from, to *nats.Conn, subject string, said *complaints) error {
	sub, err := to.SubscribeSync(subject)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends soon
	if err := to.FlushWithContext(ctx); err != nil {
		return err
	}
	sign := rand.Text()
	msg := nats.NewMsg(subject)
	msg.Header.Set(doctorHeader, sign)
	for {
		if err := from.PublishMsg(msg); err != nil {
			return err
		}
		if err := from.FlushWithContext(ctx); err != nil {
			return err
		}
		came, err := comes(ctx, sub, sign)
		if came || err != nil {
			return err
		}
		if err := said.about(subject); err != nil {
			return err
		}
	}
}

// comes waits a moment for the message of a sign; an error says that ctx has ended.
func comes(ctx context.Context, sub *nats.Subscription, sign string) (bool, error) {
	moment, cancel := context.WithTimeout(ctx, againAfter)
	defer cancel()
	for {
		got, err := sub.NextMsgWithContext(moment)
		switch {
		case ctx.Err() != nil:
			return false, fmt.Errorf("it did not come back: %w", ctx.Err())
		case moment.Err() != nil:
			return false, nil
		case err != nil:
			return false, err
		case got.Header.Get(doctorHeader) == sign:
			return true, nil
		}
	}
}

// complaints are what the server says beside its answers, such as that something is
// not permitted. The zero value is ready.
type complaints struct {
	mu   sync.Mutex
	list []error
}

// maxComplaints bounds the list: there are two for each subject at most.
const maxComplaints = 64

func (c *complaints) add(_ *nats.Conn, _ *nats.Subscription, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) < maxComplaints {
		c.list = append(c.list, err)
	}
}

func (c *complaints) about(subject string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.list {
		if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
			return err
		}
	}
	return nil
}
