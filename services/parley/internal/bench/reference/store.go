package reference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

// flushers is how many batches are under way at a time, and the others how large
// they are at most: as in Parley's committer.
const (
	flushers = 4
	batch    = 512
	laneMost = 128
)

// pebbleStore is the loop on the embedded store.
func pebbleStore(ctx context.Context, o Options, count *atomic.Int64, ready func(...int)) (err error) {
	dir, err := os.MkdirTemp(o.Scratch, "parley-reference-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return storeLoop(ctx, s, o, count, func() { ready(os.Getpid()) })
}

// mongoStore is the loop on the MongoDB-wire server of the tests. Its CPU is not
// measured: what is, is this process.
func mongoStore(ctx context.Context, o Options, count *atomic.Int64, ready func(...int)) (err error) {
	server, err := mongotest.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	database := fmt.Sprintf("parley_reference_%d", time.Now().UnixNano())
	s, err := mongostore.Open(ctx, mongostore.Options{URI: server.URI, Database: database, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return storeLoop(ctx, s, o, count, func() { ready(os.Getpid()) })
}

// storeLoop appends and finishes, as fast as the store lets it, batches of the
// size that so many pairs with so many messages in flight each would fill. Each
// flusher has conversations of its own.
func storeLoop(ctx context.Context, s store.Store, o Options, count *atomic.Int64, ready func()) error {
	n := min(flushers, o.Pairs)
	var number atomic.Uint64
	g, ctx := errgroup.WithContext(ctx)
	var writers []*writer
	for f := range n {
		w := newWriter(o, f, n)
		if err := w.create(ctx, s); err != nil {
			return over(ctx, err)
		}
		writers = append(writers, w)
	}
	for _, w := range writers {
		g.Go(func() error {
			for ctx.Err() == nil {
				stored, err := w.append(ctx, s, number.Add(1))
				if err != nil {
					return over(ctx, err)
				}
				count.Add(int64(stored))
			}
			return nil
		})
	}
	ready()
	return g.Wait()
}

// writer is one flusher and its conversations.
type writer struct {
	lanes    []lane
	next     int // the lane that the next batch begins with
	inFlight int
	body     []byte
	entries  []chat.Entry
}

type lane struct {
	key   chat.Key
	users []chat.User
	seq   chat.Seq
}

// newWriter makes the flusher with number f of n.
func newWriter(o Options, f, n int) *writer {
	w := &writer{inFlight: min(o.InFlight, laneMost), body: fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", o.Size))}
	for i := f; i < o.Pairs; i += n {
		users := []chat.User{chat.User(fmt.Sprintf("reference-%d-a", i)), chat.User(fmt.Sprintf("reference-%d-b", i))}
		w.lanes = append(w.lanes, lane{key: chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, users[0], users[1])}, users: users})
	}
	return w
}

func (w *writer) create(ctx context.Context, s store.Store) error {
	for _, l := range w.lanes {
		c := chat.Conversation{Key: l.key, Kind: chat.Direct, Users: l.users, Created: time.Now(), Floor: 1}
		members := make([]chat.Member, len(l.users))
		for i, u := range l.users {
			members[i] = chat.Member{Key: l.key, User: u, Role: chat.RoleMember, Joined: 1}
		}
		if err := s.Create(ctx, c, members); err != nil {
			return fmt.Errorf("create a conversation: %w", err)
		}
	}
	return nil
}

// fill makes the entries of the next batch; the slice is used again.
func (w *writer) fill() []chat.Entry {
	w.entries = w.entries[:0]
	now := time.Now().UTC().Truncate(time.Millisecond)
	for range w.lanes {
		l := &w.lanes[w.next]
		if len(w.entries) > 0 && len(w.entries)+w.inFlight > batch {
			break
		}
		w.next = (w.next + 1) % len(w.lanes)
		for range w.inFlight {
			l.seq++
			from := l.users[l.seq%2]
			w.entries = append(w.entries, chat.Entry{Key: l.key, Seq: l.seq, Kind: chat.KindMessage, From: from,
				CMID: chat.CMID(fmt.Sprintf("%s-%010d", l.key.Conv[2:22], l.seq)), Time: now, Count: int64(l.seq), Members: 2,
				Hash: chat.Hash{1}, Body: w.body, Concerns: l.users})
		}
	}
	return w.entries
}

// append stores and finishes one batch.
func (w *writer) append(ctx context.Context, s store.Store, number uint64) (int, error) {
	b := store.Batch{Entries: w.fill(), Journal: store.JournalID{Pod: "reference", Number: number, Epoch: "reference"}}
	res := s.Append(ctx, b)
	for i, o := range res.Outcomes {
		if o != store.Stored {
			return 0, fmt.Errorf("entry %d of %d of a batch was not stored (%d): %w", i+1, len(b.Entries), o, res.Err)
		}
	}
	if !res.Finished {
		if err := s.Finish(ctx, b); err != nil {
			return 0, fmt.Errorf("finish a batch: %w", err)
		}
	}
	return len(b.Entries), nil
}
