package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// Flush and live, spliced. In every conversation a session is syncing, idle or
// live (see package route). Syncing is done here, by one goroutine that exists
// only while there is something to sync: it reads pages from the store, with
// credit from the outbound queue, until the table says that the session has
// caught up. What goes by in the meantime is not kept: it is read.

// Feed is what a session is fed from. All methods may block until ctx ends; an
// error that is a [*chat.Error] is final, any other may pass.
type Feed interface {
	// Start reads what the device is to be told of: its conversations, in the order
	// of the flush. It attaches the session to each before it reads how far they are.
	Start(ctx context.Context) ([]Stream, error)
	// Attach attaches the session to one conversation and finds the device's place
	// in it.
	Attach(ctx context.Context, key chat.Key) (Stream, error)
	// Access reads the user's part of a conversation.
	Access(ctx context.Context, key chat.Key) (view.Part, error)
	// Describe makes the conversation frames of parts.
	Describe(ctx context.Context, parts []view.Part) ([][]byte, error)
	// Entries reads the entries after a seq and up to another, at most a page.
	Entries(ctx context.Context, key chat.Key, after, upTo chat.Seq) ([]chat.Entry, error)
}

// Subscription is the session's place in the table: see route.Sub.
type Subscription interface {
	Known() chat.Seq
	Idle(cursor chat.Seq) bool
	Live(cursor chat.Seq) (ok bool, upTo chat.Seq)
	Cursor() chat.Seq
	Detach()
}

// Stream is one conversation as a session begins with it.
type Stream struct {
	Key    chat.Key
	Sub    Subscription
	Cursor chat.Seq   // what the device has
	Behind bool       // it lacks something, or must be told of a reset
	Part   *view.Part // what the user sees of it, read after Sub was made; nil: to be read
	Muted  bool       // the user is muted in it
	Reset  []byte     // a reset frame to send before anything else; nil: none
	// Anew makes the same frame for a session that has had this conversation before,
	// and goes on after a seq; Attach only.
	Anew func(after chat.Seq) []byte
}

// place is a session's state in one conversation.
type place struct {
	sub    Subscription
	cursor chat.Seq   // owned by the syncer: what was queued
	part   *view.Part // as read when the stream began; nil: used up
	opened bool       // the conversation frame was sent
	shown  chat.Seq   // what the last conversation frame tells of
	reset  []byte     // to be sent before the next entry
	muted  bool       // guarded by Session.mu
}

// job is one thing for the syncer to do.
type job struct {
	kind jobKind
	key  chat.Key
}

type jobKind uint8

const (
	jobStart    jobKind = iota // the first flush
	jobOpen                    // some of its conversations, before they are caught up
	jobSynced                  // its end
	jobCatchUp                 // one conversation
	jobDiscover                // a conversation that may be new
	jobDescribe                // a conversation that changed
	jobEnded                   // a conversation that is the user's no more
)

// jobs is the syncer's queue. Each job is in it once, so it is bounded by the
// user's conversations.
type jobs struct {
	queue  []job
	queued map[job]bool
	behind []chat.Key      // of the first flush, not opened yet; owned by the syncer
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
}

func (s *Session) addJobLocked(j job) {
	if s.closing || s.dead || s.jobs != nil && s.jobs.queued[j] {
		return
	}
	if s.jobs == nil {
		s.jobs = &jobs{queued: make(map[job]bool)}
		s.jobs.ctx, s.jobs.cancel = context.WithCancel(context.Background())
		s.work.Add(1)
		s.countSyncing(1)
		go s.runJobs(s.jobs)
	}
	s.jobs.queued[j] = true
	s.jobs.queue = append(s.jobs.queue, j)
}

// Start begins the first flush.
func (s *Session) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushing = true
	s.addJobLocked(job{kind: jobStart})
}

// Sync implements route.Sink.
func (s *Session) Sync(key chat.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addJobLocked(job{jobCatchUp, key})
}

// Discover implements route.Sink. Before Start there is nothing to do: the first
// flush reads all memberships, and it alone knows the cursors of hello. A session
// is registered before it starts, so a conversation can be announced in between;
// discovered here, it would begin at the server's cursor instead.
func (s *Session) Discover(key chat.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushing {
		s.addJobLocked(job{jobDiscover, key})
	}
}

// Changed implements route.Sink.
func (s *Session) Changed(key chat.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addJobLocked(job{jobDescribe, key})
}

// Known is the highest seq that the session knows to exist in a conversation; ok
// is false where it is not attached to it.
func (s *Session) Known(key chat.Key) (seq chat.Seq, ok bool) {
	p := s.place(key)
	if p == nil {
		return 0, false
	}
	return p.sub.Known(), true
}

// DetachAll ends every attachment: the session is over.
func (s *Session) DetachAll() {
	s.mu.Lock()
	places := s.places
	s.places, s.over = nil, true
	s.mu.Unlock()
	for _, p := range places {
		p.sub.Detach()
	}
}

func (s *Session) place(key chat.Key) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places[key]
}

// addPlace keeps a stream's place. Where there is one already, the new one goes.
func (s *Session) addPlace(st Stream) *place {
	s.mu.Lock()
	var p *place
	if s.places[st.Key] == nil && !s.over {
		if s.places == nil {
			s.places = make(map[chat.Key]*place)
		}
		p = &place{sub: st.Sub, cursor: st.Cursor, reset: st.Reset, part: st.Part, muted: st.Muted}
		s.places[st.Key] = p
	}
	s.mu.Unlock()
	if p == nil {
		st.Sub.Detach()
	}
	return p
}

// runJobs is the syncer. It ends when nothing is left to do.
func (s *Session) runJobs(q *jobs) {
	defer s.work.Done()
	defer s.countSyncing(-1)
	defer q.cancel()
	for {
		s.mu.Lock()
		if len(q.queue) == 0 || s.closing {
			s.jobs = nil
			s.mu.Unlock()
			return
		}
		j := q.queue[0]
		q.queue = q.queue[1:]
		delete(q.queued, j)
		s.mu.Unlock()
		s.do(q.ctx, j)
	}
}

// do does one job, and tries again with growing pauses while the store does not
// answer: the session stays up.
func (s *Session) do(ctx context.Context, j job) {
	run := map[jobKind]func(context.Context, chat.Key) error{
		jobStart: s.start, jobOpen: s.openSome, jobSynced: s.synced, jobCatchUp: s.catchUp, jobDiscover: s.discover, jobDescribe: s.describe,
		jobEnded: s.describeEnd,
	}[j.kind]
	for pause := 10 * time.Millisecond; ctx.Err() == nil && !s.Closing(); pause = min(2*pause, 2*time.Second) {
		err := run(ctx, j.key)
		var cerr *chat.Error
		if err == nil || ctx.Err() != nil {
			return
		}
		if errors.As(err, &cerr) && cerr.Code != chat.CodeUnavailable {
			s.drop(j.key) // not the user's any more
			return
		}
		s.opts.Log.Warn("could not sync; trying again", "session", s.id.ID, "conv", j.key.Conv, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (s *Session) start(ctx context.Context, _ chat.Key) error {
	streams, err := s.feed.Start(ctx)
	if err != nil {
		return err
	}
	var behind []chat.Key
	for _, st := range streams {
		p := s.addPlace(st)
		if p != nil && (st.Behind || !st.Sub.Idle(st.Cursor)) {
			behind = append(behind, st.Key)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for some := range slices.Chunk(behind, openPage) {
		s.addJobLocked(job{jobOpen, some[0]})
		for _, key := range some {
			s.addJobLocked(job{jobCatchUp, key})
		}
	}
	s.jobs.behind = behind // start is one of the jobs
	s.addJobLocked(job{kind: jobSynced})
	return nil
}

func (s *Session) synced(context.Context, chat.Key) error {
	s.Answer(wire.Encode(&wire.Synced{Type: "synced", Time: wire.Time{Time: time.Now()}}))
	return nil
}

func (s *Session) discover(ctx context.Context, key chat.Key) error {
	if s.place(key) != nil {
		return nil
	}
	st, err := s.feed.Attach(ctx, key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	end, ended := s.left[key]
	s.mu.Unlock()
	if ended {
		if st.Part != nil && st.Part.Former() && st.Part.End <= end {
			st.Sub.Detach() // it is the news of the end that has come late
			return nil
		}
		// In a group whose history is open the user sees what lies before the end, too,
		// and the session has had it.
		st.Cursor = max(st.Cursor, end)
		st.Reset = st.Anew(st.Cursor)
	}
	if s.addPlace(st) != nil {
		s.Sync(key) // a job of its own, which is tried again by itself
	}
	return nil
}

// describe sends the conversation frame again; a session that has not sent the
// first one yet will make it when it does.
func (s *Session) describe(ctx context.Context, key chat.Key) error {
	p := s.place(key)
	if p == nil || !p.opened {
		return nil
	}
	part, err := s.feed.Access(ctx, key)
	if err != nil {
		return err
	}
	s.mute(p, part)
	frames, err := s.feed.Describe(ctx, []view.Part{part})
	if err != nil {
		return err
	}
	s.Answer(frames[0])
	p.shown = part.End
	return nil
}

// catchUp takes one conversation from syncing to live.
func (s *Session) catchUp(ctx context.Context, key chat.Key) error {
	p := s.place(key)
	if p == nil {
		return nil
	}
	p.cursor = max(p.cursor, p.sub.Cursor()) // where it stopped being live, if it was
	pause := time.Millisecond
	for {
		part, err := s.partOf(ctx, key, p)
		if err != nil {
			return err
		}
		if err := s.open(ctx, p, part); err != nil {
			return err
		}
		if mutant.Is(mutant.ReadAboveHead) && !part.Former() {
			part.End = 1 << 40
		}
		before := p.cursor
		over, err := s.page(ctx, p, part)
		if err != nil || s.Closing() {
			return err
		}
		if over || (part.Former() && p.cursor >= part.End) {
			s.drop(key)
			if !part.Former() && part.Conversation.Closed == 0 && part.Member.Joined > p.cursor {
				s.Discover(key) // by then the user was in again
			}
			if p.cursor > p.shown {
				return s.describeEnd(ctx, key)
			}
			return nil
		}
		ok, _ := p.sub.Live(p.cursor)
		if ok {
			return nil
		}
		p.cursor = max(p.cursor, p.sub.Cursor())
		if p.cursor > before {
			pause = time.Millisecond
			continue
		}
		// More was announced than the store shows yet.
		select {
		case <-time.After(pause):
			pause = min(2*pause, 100*time.Millisecond)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// partOf is what the user sees of a conversation now: at first what Start or Attach
// has just read, then read anew.
func (s *Session) partOf(ctx context.Context, key chat.Key, p *place) (view.Part, error) {
	if part := p.part; part != nil {
		p.part = nil
		return *part, nil
	}
	part, err := s.feed.Access(ctx, key)
	if err == nil {
		s.mute(p, part)
	}
	return part, err
}

// page sends entries up to the part's end. over: the user's part ends with one of
// them.
func (s *Session) page(ctx context.Context, p *place, part view.Part) (over bool, err error) {
	key := part.Conversation.Key
	for p.cursor < part.End {
		if !s.credit() {
			return false, nil
		}
		entries, err := s.feed.Entries(ctx, key, p.cursor, part.End)
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			return false, nil
		}
		for i := range entries {
			e := &entries[i]
			if e.Seq != p.cursor+1 {
				return false, errors.New("the log has a hole")
			}
			frame := wire.AppendEntry(nil, e)
			for !s.Deliver(key, e.Seq, frame) {
				if !s.credit() {
					return false, nil
				}
			}
			p.cursor = e.Seq
			if mutant.Is(mutant.FlushDeletes) {
				s.took(key, e.Seq)
			}
			if endsFor(e, s.id.User) && !part.Passed(e.Seq) {
				return true, nil
			}
			if e.Kind == chat.KindMembers && e.Seq > p.shown {
				s.Changed(key)
			}
		}
	}
	return false, nil
}
