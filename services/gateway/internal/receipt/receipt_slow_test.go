package receipt

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// slowStore takes its time for every operation, and notices where its caller has
// lost patience.
type slowStore struct {
	latency time.Duration
	mu      sync.Mutex
	read    map[chat.Key]chat.Seq
	recv    map[chat.Key]chat.Seq
}

func (s *slowStore) Profiles(context.Context, chat.NS, []chat.User) (map[chat.User]chat.Profile, error) {
	return nil, nil
}

func (s *slowStore) wait(ctx context.Context) error {
	select {
	case <-time.After(s.latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slowStore) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	return []chat.Entry{{Key: key, Seq: r.After + 1, Count: int64(r.After + 1)}}, s.wait(ctx)
}

func (s *slowStore) Advance(ctx context.Context, moves []store.Move) ([]chat.Member, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range moves {
		s.read[m.Key] = max(s.read[m.Key], m.Read)
		s.recv[m.Key] = max(s.recv[m.Key], m.Recv)
	}
	return nil, nil
}

// A slow store makes positions late, and does not keep them from ever being
// stored: every try gets further, and recv waits for no count.
func TestSlowStoreMakesProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{latency: 2 * time.Second, read: map[chat.Key]chat.Seq{}, recv: map[chat.Key]chat.Seq{}}
		tr := New(Options{Store: s, Told: func([]Position) {}, Log: slog.New(slog.DiscardHandler)})
		const n = 100
		key := func(i int) chat.Key { return chat.Key{NS: "_", Conv: chat.ConvID(fmt.Sprint("g_", i))} }
		for i := range n {
			if cerr := tr.Read(key(i), "bob", 5); cerr != nil {
				t.Fatal(cerr)
			}
			if cerr := tr.Recv(key(i), "bob", "phone", 7); cerr != nil {
				t.Fatal(cerr)
			}
		}
		time.Sleep(10 * time.Second) // fake
		s.mu.Lock()
		early := len(s.recv)
		s.mu.Unlock()
		if early != n {
			t.Errorf("%d of %d recv were stored in 10 s", early, n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		tr.Stop(ctx)
		for i := range n {
			if s.read[key(i)] != 5 || s.recv[key(i)] != 7 {
				t.Fatalf("conversation %d is at read %d, recv %d", i, s.read[key(i)], s.recv[key(i)])
			}
		}
	})
}
