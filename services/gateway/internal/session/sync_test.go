package session

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// order notes in which order a session asks its feed.
type order struct {
	asked chan string
}

func (o *order) Start(context.Context) ([]Stream, error) {
	o.asked <- "start"
	return nil, nil
}

func (o *order) Attach(context.Context, chat.Key) (Stream, error) {
	o.asked <- "attach"
	return Stream{}, chat.Errorf(chat.CodeNotFound, "none")
}

func (o *order) Access(context.Context, chat.Key) (view.Part, error) { return view.Part{}, nil }

func (o *order) Describe(_ context.Context, parts []view.Part) ([][]byte, error) {
	return make([][]byte, len(parts)), nil
}

func (o *order) Entries(context.Context, chat.Key, chat.Seq, chat.Seq) ([]chat.Entry, error) {
	return nil, nil
}

// A session is registered before it starts. What is announced in between must not
// be discovered then: only the first flush knows the client's cursors.
func TestNothingIsDiscoveredBeforeTheFirstFlush(t *testing.T) {
	opts := Options{}.WithDefaults()
	s := &Session{opts: &opts}
	o := &order{asked: make(chan string, 10)}
	s.Begin(Identity{User: "bob"}, o)
	key := chat.Key{NS: "_", Conv: "g_abcdefghijklmnopqrstuvwxyz"}
	s.Discover(key)
	s.mu.Lock()
	s.out.writing = true // nothing is written in this test
	s.mu.Unlock()
	s.Start()
	s.Discover(key)
	if first, second := <-o.asked, <-o.asked; first != "start" || second != "attach" {
		t.Fatalf("%s before %s", first, second)
	}
	s.mu.Lock()
	s.closing, s.dead = true, true
	if s.jobs != nil {
		s.jobs.cancel()
	}
	s.mu.Unlock()
	s.work.Wait()
}
