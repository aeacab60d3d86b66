package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/command"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
	"github.com/parley-chat/parley/services/gateway/internal/session"
)

// client is a session and what the gateway knows of it. It implements
// [session.Handler]; its fields are owned by the session's reader.
type client struct {
	g       *Gateway
	s       *session.Session
	id      *auth.Identity // the token before hello; nil: none, or hello was said
	source  guard.Source   // where it is connected from; 0: no limit holds
	arrived int64          // when its connection was taken, Unix ms
	hello   bool
	counted bool    // among those who are online
	prune   uint16  // how many streams there may be before those are dropped that keep nothing in order; 0: minStreams
	bucket  *bucket // nil: nothing was sent yet
	watched *bucket // users in watch frames; nil: there was none
	streams map[chat.ConvID]*stream
	directs command.Directs
	span    *tracing.Span // of the frame that is being handled; nil: it is not followed
}

// stream is the order of the client's sends in one conversation.
type stream struct {
	commit.Stream
	pending atomic.Int32
}

// serveSocket answers GET /v1/ws. A bad token in the header is refused here; in
// the two other places it can only be refused by closing, because a browser sees
// nothing else.
func (g *Gateway) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !rest.Origins(g.opts.Origins).Allow(r) {
		rest.Error(w, chat.Errorf(chat.CodeForbidden, "this origin is not allowed: see --allowed-origins"))
		return
	}
	offered := subprotocols(r)
	if !slices.Contains(offered, wire.Subprotocol) {
		rest.Error(w, chat.Errorf(chat.CodeBadRequest, "offer the WebSocket subprotocol %q", wire.Subprotocol))
		return
	}
	now := time.Now()
	if err := g.admission.refuse(now); err != nil {
		g.opts.Guard.Refuse(guard.Overload)
		rest.Error(w, err)
		return
	}
	c := &client{g: g, source: g.opts.Guard.Source(r), arrived: rest.Arrived(r, now).UnixMilli()}
	bad, err := c.authenticate(r, offered)
	now = time.Now()
	g.admission.note(&g.admission.checked, now.Sub(time.UnixMilli(c.arrived)), now)
	if err != nil {
		rest.Error(w, err)
		return
	}
	if g.Draining() {
		rest.Error(w, chat.Unavailable("this pod is stopping; connect to another one"))
		return
	}
	if err := g.opts.Guard.Connect(c.source); err != nil {
		rest.Error(w, err)
		return
	}
	if c.s, err = session.Accept(w, r, &g.sessions); err != nil {
		g.opts.Guard.Disconnect(c.source)
		g.log.Debug("handshake refused", "error", err)
		return
	}
	// From here on net/http's goroutine, with its large stack and buffers, is not
	// needed any more.
	c.serve(bad)
}

// authenticate looks at the tokens of a handshake. bad is what is wrong with one that
// only closing can refuse; err is the answer to the handshake.
func (c *client) authenticate(r *http.Request, offered []string) (bad, err error) {
	g := c.g
	if err := g.opts.Guard.Handshake(c.source); err != nil {
		return nil, err
	}
	if token, ok := auth.BearerFromHeader(r.Header); ok {
		id, err := c.verify(token)
		switch {
		case err == nil:
			c.id = &id
			return nil, nil
		case errors.Is(err, auth.ErrUnavailable), errors.Is(err, auth.ErrBanned):
			return nil, err
		}
		return nil, chat.Errorf(chat.CodeUnauthenticated, "the token is not valid, or not any more")
	}
	if i := slices.IndexFunc(offered, isBearer); i >= 0 {
		id, err := c.verify(strings.TrimPrefix(offered[i], wire.BearerPrefix))
		c.id = &id
		return err, nil
	}
	return nil, nil
}

// verify looks at a token, and counts one that nobody should have.
func (c *client) verify(token string) (auth.Identity, error) {
	id, err := c.g.opts.Verifier.Verify(token)
	if err != nil && rest.Guessed(err) {
		c.g.opts.Guard.Failed(c.source)
	}
	return id, err
}

func isBearer(p string) bool { return strings.HasPrefix(p, wire.BearerPrefix) }

func subprotocols(r *http.Request) []string {
	var list []string
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			list = append(list, strings.TrimSpace(p))
		}
	}
	return list
}

// serve hands the session over to its reader. It does not block.
func (c *client) serve(badToken error) {
	g := c.g
	g.mu.Lock()
	draining, ended := g.draining, g.ended
	if !ended {
		g.open[c] = true
		g.served.Add(1)
	}
	g.mu.Unlock()
	if ended {
		c.s.Drop()
		g.opts.Guard.Disconnect(c.source)
		return
	}
	switch {
	case badToken != nil:
		c.unauthorized(badToken)
	case draining:
		c.s.Close(chat.CloseRestart, "this pod is stopping; reconnect")
	case c.id != nil:
		c.s.SetExpiry(c.id.Expires)
	}
	c.s.Serve(c)
}

// Ended implements [session.Handler].
func (c *client) Ended() {
	g := c.g
	if c.counted {
		c.absent()
	}
	if c.hello {
		g.table.Unregister(c.s)
		c.s.DetachAll()
		g.kicks.forget(c.s)
	}
	g.opts.Guard.Disconnect(c.source)
	g.mu.Lock()
	delete(g.open, c)
	g.mu.Unlock()
	g.balance.gone(c)
	g.served.Done()
}

// unauthorized ends a session whose token is not good, or, where that is what err
// says, cannot be checked now, or whose user is banned: then another token would not
// help.
func (c *client) unauthorized(err error) {
	switch {
	case errors.Is(err, auth.ErrUnavailable):
		c.s.Close(chat.CloseTryLater, "tokens cannot be checked at the moment; reconnect")
		return
	case errors.Is(err, auth.ErrBanned):
		c.s.Close(chat.CloseForbidden, "this user is banned")
		return
	}
	c.s.Close(chat.CloseUnauthorized, "the token is missing, not valid, or not valid any more")
}

// Handle implements [session.Handler]: step 3, for frames that want something done. A
// frame that breaks it costs its own session, as a request over HTTP its answer: it
// must not end a pod, and then, repeated, the next one.
func (c *client) Handle(f wire.Frame, ref string) {
	defer func() {
		if p := recover(); p != nil {
			c.g.log.Error("frame panicked", "route", f.Name(), "panic", p, "stack", string(debug.Stack()))
			c.s.Close(chat.CloseInternal, "something went wrong here; reconnect")
		}
	}()
	if h, ok := f.(*wire.Hello); ok {
		c.onHello(h, ref)
		return
	}
	if !c.hello {
		c.s.Close(chat.CloseProtocol, "the first frame must be hello")
		return
	}
	if t := c.g.opts.Tracer; t != nil {
		c.span = t.Root(tracing.Server, f.Name())
		defer func() {
			c.span.End() // unless its answer does
			c.span = nil
		}()
	}
	switch f := f.(type) {
	case *wire.Send:
		c.onCommand(command.Send(c.actor(), f), f.Body, ref)
	case *wire.Edit:
		c.onCommand(command.Edit(c.actor(), f), f.Body, ref)
	case *wire.Recall:
		c.onCommand(command.Recall(c.actor(), f), nil, ref)
	case *wire.React:
		c.onCommand(command.React(c.actor(), f), nil, ref)
	case *wire.Recv:
		c.onMark(f.Conv, *f.Seq, ref, func(key chat.Key) *chat.Error {
			return c.g.receipts.Recv(key, c.s.Identity().User, c.s.Identity().Device, *f.Seq)
		})
	case *wire.Read:
		c.onMark(f.Conv, *f.Seq, ref, func(key chat.Key) *chat.Error {
			return c.g.receipts.Read(key, c.s.Identity().User, *f.Seq)
		})
	case *wire.History:
		c.onHistory(f, ref)
	case *wire.Typing:
		c.onTyping(f, ref)
	case *wire.Watch:
		c.onWatch(f, ref)
	case *wire.Unwatch:
		c.onUnwatch(f)
	case *wire.Auth:
		c.onAuth(f)
	case *wire.Ping:
		c.s.Answer(wire.Encode(&wire.Pong{Type: "pong", Ref: ref, Time: wire.Time{Time: time.Now()}}))
	default:
		c.refuse(ref, chat.Errorf(chat.CodeBadRequest, "this server does not do %q yet: welcome.features does not name it", f.Name()))
	}
}

func (c *client) refuse(ref string, cerr *chat.Error) {
	c.g.stats.refused.Add(string(cerr.Code), 1)
	c.s.Answer(wire.Encode(wire.NewError(ref, cerr)))
}

func (c *client) onHello(h *wire.Hello, ref string) {
	g := c.g
	if c.hello {
		c.s.Close(chat.CloseProtocol, "a session says hello once")
		return
	}
	if h.Token != "" {
		id, err := c.verify(h.Token)
		if err != nil || c.id != nil && !sameUser(id, c.id.NS, c.id.User) {
			c.unauthorized(err)
			return
		}
		c.id = &id
	}
	if c.id == nil || !time.Now().Before(c.id.Expires) {
		c.unauthorized(nil)
		return
	}
	if err := g.revoked.Check(revoke.TokenOf(*c.id)); err != nil { // since the handshake
		c.unauthorized(err)
		return
	}
	c.hold(*c.id) // before Begin: from then on whoever looks finds it
	attempt := time.Now().UnixMilli()
	if h.Attempt != nil {
		attempt = *h.Attempt
	}
	epoch := *g.epoch.Load()
	c.s.Begin(session.Identity{ID: newSessionID(), NS: c.id.NS, User: c.id.User, Device: h.Device, Attempt: attempt},
		&feed{g: g, s: c.s, id: c.s.Identity(), hello: h, epoch: epoch})
	c.id, c.hello = nil, true
	now := time.Now()
	g.admission.note(&g.admission.welcomes, now.Sub(time.UnixMilli(c.arrived)), now)
	id := c.s.Identity()
	g.table.Register(c.s)
	if err := c.revoked(); err != nil { // just now, and whoever ends sessions did not see this one
		c.unauthorized(err)
		return
	}
	if c.crowded() {
		g.opts.Guard.Refuse(guard.ConnectionsPerUser)
		c.s.Close(chat.CloseTooManyFrames, "this user has too many connections; close another one first")
		return
	}
	c.present()
	c.counted = true
	g.replaceOlder(c.s)
	c.s.Answer(wire.Encode(&wire.Welcome{
		Type: "welcome", Ref: ref, Session: id.ID, User: id.User, Device: id.Device, Epoch: epoch,
		Time: wire.Time{Time: time.Now()}, HeartbeatMS: g.sessions.Heartbeat.Milliseconds(),
		Server: g.opts.Server, Features: g.features(), Limits: g.opts.Limits,
	}))
	if h.Resume != nil && h.Resume.Epoch != epoch {
		c.s.Answer(wire.Encode(&wire.Reset{Type: "reset", Epoch: epoch}))
	}
	c.s.Start()
}

// crowded reports whether the session's user has as many others here as there may
// be. The one that comes last is refused; the device's own older session gives way
// and does not count. It is asked once the session is registered, so that of two
// that come at once not both find the last place.
func (c *client) crowded() bool {
	most := c.g.opts.Guard.ConnectionsPerUser()
	if most <= 0 {
		return false
	}
	id, n := c.s.Identity(), 0
	for _, sink := range c.g.table.Sessions(id.NS, id.User) {
		if s, ok := sink.(*session.Session); ok && s != c.s && s.Identity().Device != id.Device && !s.Closing() {
			n++
		}
	}
	return n >= most
}

func sameUser(a auth.Identity, ns chat.NS, user chat.User) bool { return a.NS == ns && a.User == user }

// newSessionID grows with time, so that of two sessions the later is the larger.
// Nanoseconds: a device that connects twice within a millisecond means the second.
func newSessionID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return fmt.Sprintf("%016x%x", time.Now().UnixNano(), b)
}

func (c *client) onAuth(f *wire.Auth) {
	id, err := c.verify(f.Token)
	if self := c.s.Identity(); err != nil || !sameUser(id, self.NS, self.User) {
		c.unauthorized(err)
		return
	}
	c.hold(id)
	if err := c.revoked(); err != nil {
		c.unauthorized(err)
	}
}

func (c *client) actor() command.Actor {
	id := c.s.Identity()
	return command.Actor{NS: id.NS, User: id.User, Directs: &c.directs}
}

// onCommand takes what is to become an entry, with the body that may have
// attachments. Commands of one conversation keep their order, whatever they are.
func (c *client) onCommand(cmd *command.Command, body []byte, ref string) {
	st, begun := c.stream(cmd.Key.Conv), time.Now()
	if st == nil {
		c.g.opts.Guard.Refuse(guard.Frames)
		c.s.Close(chat.CloseTooManyFrames, "too many conversations wait for a send to be repeated; reconnect and repeat them")
		return
	}
	if c.bucket == nil {
		c.bucket = newBucket(c.g.opts.Limits.SendsPerS)
	}
	if !c.bucket.take(1, begun) {
		st.Refuse(cmd.CMID)
		c.refuse(ref, &chat.Error{Code: chat.CodeRateLimited, Message: "too many sends", RetryAfter: c.bucket.wait(1)})
		return
	}
	if err := c.g.opts.Guard.SendsAt(cmd.Key.NS, cmd.From, 1, begun); err != nil {
		st.Refuse(cmd.CMID)
		c.refuse(ref, chat.AsError(err))
		return
	}
	if err := c.g.attach(context.Background(), cmd, cmd.Target, body); err != nil {
		st.Withhold(cmd.CMID)
		c.refuse(ref, chat.AsError(err))
		return
	}
	if !c.s.Acquire() {
		return
	}
	st.pending.Add(1)
	r := requestOf(cmd)
	r.Stream = &st.Stream
	span := c.span
	if c.span = nil; span != nil {
		c.g.followCommand(r, span.Context())
	}
	r.Done = func(res commit.Result) {
		c.g.meters.commandDone(begun, &res, span.Context().ID())
		endCommand(r.Span, &res)
		if res.Err != nil {
			c.refuse(ref, res.Err)
		} else {
			c.s.Answer(wire.AppendAck(make([]byte, 0, 192), ref, &res.Entry, res.Dup))
		}
		span.End()
		st.pending.Add(-1)
		c.s.Release()
	}
	c.g.commit.Submit(r)
}

const (
	// minStreams is where streams that keep nothing in order any more are dropped first.
	minStreams = 256
	// maxStreams is in how many conversations a send may wait to be repeated. In
	// more, nobody sends who means well: a client makes up conversations, and never
	// repeats what was refused.
	maxStreams = 4096
)

// stream is that of a conversation; nil: there are too many.
func (c *client) stream(conv chat.ConvID) *stream {
	st := c.streams[conv]
	if st != nil {
		return st
	}
	if len(c.streams) >= max(minStreams, int(c.prune)) {
		for conv, st := range c.streams {
			if st.pending.Load() == 0 && !st.Broken() {
				delete(c.streams, conv)
			}
		}
		if len(c.streams) >= maxStreams {
			return nil
		}
		c.prune = uint16(min(maxStreams, 2*len(c.streams))) // not again for every one that is made
	}
	if c.streams == nil {
		c.streams = make(map[chat.ConvID]*stream)
	}
	st = &stream{}
	c.streams[conv] = st
	return st
}

func requestOf(cmd *command.Command) *commit.Request {
	r := &commit.Request{Key: cmd.Key, From: cmd.From, CMID: cmd.CMID, Hash: cmd.Hash, Size: cmd.Size, Judge: cmd.Judge, Target: cmd.Target}
	if cmd.New != nil {
		r.New = &commit.New{Conversation: *cmd.New, Members: cmd.Members}
	}
	return r
}

// later does for a frame what has to ask the store, beside the frames that follow:
// who sends a ping behind it is not to wait until a store that is away does not
// answer. It takes one of the session's places for requests.
func (c *client) later(ref string, do func(ctx context.Context) error) {
	if !c.s.Acquire() {
		return
	}
	c.g.served.Go(func() {
		defer c.s.Release()
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		if err := do(ctx); err != nil {
			c.refuse(ref, chat.AsError(err))
		}
	})
}

// onMark takes a recv or read. A seq above what is known here is looked up: it may
// be stored and not announced yet. Marks are cumulative, so it does not matter which
// of two comes first.
func (c *client) onMark(conv chat.ConvID, seq chat.Seq, ref string, move func(chat.Key) *chat.Error) {
	id := c.s.Identity()
	key := chat.Key{NS: id.NS, Conv: conv}
	if known, ok := c.s.Known(key); !ok || seq > known {
		c.later(ref, func(ctx context.Context) error {
			part, err := c.g.view.Access(ctx, key, id.User)
			if err == nil && seq > part.End {
				err = chat.Errorf(chat.CodeBadRequest, `"seq" is above the conversation's head`)
			}
			if err == nil {
				c.mark(key, seq, ref, move)
			}
			return err
		})
		return
	}
	c.mark(key, seq, ref, move)
}

func (c *client) mark(key chat.Key, seq chat.Seq, ref string, move func(chat.Key) *chat.Error) {
	if seq == 0 {
		return
	}
	if cerr := move(key); cerr != nil {
		c.refuse(ref, cerr)
	}
}

func (c *client) onHistory(f *wire.History, ref string) {
	id := c.s.Identity()
	c.later(ref, func(ctx context.Context) error {
		page, err := c.g.page(ctx, id.NS, id.User, f)
		if err != nil {
			return err
		}
		page.Type, page.Ref, page.Conv = "page", ref, f.Conv
		c.s.Answer(wire.Encode(page))
		return nil
	})
}

// bucket is a token bucket: rate a second, twice that at once.
type bucket struct {
	rate, tokens float64
	at           time.Time
}

func newBucket(rate int) *bucket {
	return &bucket{rate: float64(rate), tokens: 2 * float64(rate), at: time.Now()}
}

func (b *bucket) take(n int, now time.Time) bool {
	b.tokens = min(2*b.rate, b.tokens+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < float64(n) {
		return false
	}
	b.tokens -= float64(n)
	return true
}

// wait is how long until there are n tokens.
func (b *bucket) wait(n int) time.Duration {
	return max(10*time.Millisecond, time.Duration((float64(n)-b.tokens)/b.rate*float64(time.Second)))
}
