package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
}

// TopicCheck is whether a message on a topic's subject comes back.
type TopicCheck struct {
	Topic   Topic
	Subject string
	Err     error // nil: it does
}

// doctorHeader marks the messages of Inspect. They are empty, and pods pass over them.
const doctorHeader = "Parley-Doctor"

// echoWait is how long a message may take to come back.
const echoWait = 2 * time.Second

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
	var met *nats.Conn
	var complaints complaints
	for i, server := range b.servers.urls {
		no := b.options()
		no.Servers, no.NoEcho, no.AllowReconnect = []string{server}, false, false
		no.Name, no.AsyncErrorCB = "parley-doctor", complaints.add
		no.DisconnectedErrCB, no.ReconnectedCB, no.ReconnectErrCB, no.ClosedCB = nil, nil, nil, nil
		nc, err := no.Connect()
		switch {
		case err != nil:
			in.Unreached[b.servers.hosts[i]] = b.servers.safe(err)
		case met != nil:
			nc.Close()
		default:
			met = nc
			defer nc.Close()
		}
	}
	if met == nil {
		return in, errors.New("no server can be used")
	}
	in.Server, in.Version, in.Cluster = met.ConnectedAddr(), met.ConnectedServerVersion(), met.ConnectedClusterName()
	in.MaxPayload, in.TLS = met.MaxPayload(), met.TLSRequired()
	for _, s := range met.Servers() {
		if _, host, ok := strings.Cut(s, "@"); ok {
			s = host
		}
		in.Servers = append(in.Servers, s)
	}
	if in.RTT, err = met.RTT(); err != nil {
		return in, fmt.Errorf("ask for an echo: %w", b.servers.safe(err))
	}
	for _, topic := range []Topic{TopicEntries, TopicSignals, TopicControl} {
		in.Topics = append(in.Topics, b.echo(ctx, met, &complaints, topic, b.subjects[topic]))
	}
	if users {
		in.Topics = append(in.Topics, b.echo(ctx, met, &complaints, TopicUsers, b.subjectOf(0)))
	}
	return in, nil
}

func (b *Bus) echo(ctx context.Context, nc *nats.Conn, said *complaints, topic Topic, subject string) TopicCheck {
	check := TopicCheck{Topic: topic, Subject: subject}
	ctx, cancel := context.WithTimeout(ctx, echoWait)
	defer cancel()
	err := echo(ctx, nc, subject)
	if refused := said.about(subject); refused != nil {
		err = refused // which is why nothing came
	}
	if err != nil {
		check.Err = b.servers.safe(err)
	}
	return check
}

func echo(ctx context.Context, nc *nats.Conn, subject string) error {
	sub, err := nc.SubscribeSync(subject)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends soon
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	sign := rand.Text()
	msg := nats.NewMsg(subject)
	msg.Header.Set(doctorHeader, sign)
	if err := nc.PublishMsg(msg); err != nil {
		return err
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	for {
		got, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return fmt.Errorf("it did not come back: %w", err)
		}
		if got.Header.Get(doctorHeader) == sign {
			return nil
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
