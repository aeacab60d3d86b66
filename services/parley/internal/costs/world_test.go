package costs

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/talk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// many is a user with more conversations than most people will ever have.
const many = 5000

// world is one pod over a store, and people who use it.
type world struct {
	*testing.T
	talk.Talker
	store  *saving
	url    string
	data   string // the folder
	b      backend
	costs  map[string]usage
	cmids  int
	logins int
}

func newWorld(t *testing.T, b backend, change func(*allinone.Options)) *world {
	t.Helper()
	w := &world{T: t, b: b, store: &saving{Store: b.open(t)}, costs: map[string]usage{}}
	w.start(change)
	return w
}

func (w *world) start(change func(*allinone.Options)) {
	w.Helper()
	w.data = w.TempDir()
	o := allinone.Options{Data: w.data, Store: w.store, NoSearch: true, DevTokens: true, Log: slog.New(slog.NewTextHandler(w.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if change != nil {
		change(&o)
	}
	c, err := allinone.Start(w.Context(), o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			w.Error(err)
		}
	})
	w.Talker, w.url = talk.Talker{T: w.T, Token: c.Token}, c.URLs[0]
}

// saving is a store that knows whether a job is being saved: others see that it has
// ended before the command that saves it is over.
type saving struct {
	allinone.Store
	mu sync.RWMutex
}

func (s *saving) SaveJob(ctx context.Context, j store.Job, wait time.Duration) (store.Job, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Store.SaveJob(ctx, j, wait)
}

// saved waits for what is being saved.
func (s *saving) saved() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// patience is how long something that happens in the background may take.
const patience = 3 * time.Minute

// cost measures an action. Repeated, the cheapest is taken: what a pod does by
// itself, such as its slow sweep, may fall into the same moment.
func (w *world) cost(name string, times int, act func(i int)) {
	w.Helper()
	var best usage
	for i := range times {
		before := w.b.total()
		act(i)
		if u := w.b.total().minus(before); best == nil || u.calls() < best.calls() {
			best = u
		}
	}
	if !strings.HasPrefix(name, "connect") {
		// The last visit of a device that has just left is written when there is time.
		maps.DeleteFunc(best, func(call string, _ count) bool { return strings.Contains(call, "device") })
	}
	w.costs[name] = best
}

func (w *world) cmid() string {
	w.cmids++
	return fmt.Sprintf("c%d", w.cmids)
}

// login connects a device and waits until it has everything.
func (w *world) login(user chat.User, device string) *talk.Socket {
	w.Helper()
	w.logins++
	s := w.Dial(w.url, user, fmt.Sprintf(`{"type":"hello","device":%q,"attempt":%d}`, device, w.logins), nil)
	s.Type("synced")
	return s
}

// send sends a message and waits for the answer.
func (w *world) send(s *talk.Socket, conv string) talk.Frame {
	w.Helper()
	return w.write(s, `{"type":"send","conv":%q,"cmid":%q,"body":{"text":"good morning"}}`, conv)
}

// write sends a frame that names a conversation and then a cmid, and waits for its
// ack and for the entry, before which the session reads what it has to tell.
func (w *world) write(s *talk.Socket, format string, args ...any) talk.Frame {
	w.Helper()
	cmid := w.cmid()
	s.Send(format, append(args, cmid)...)
	var ack, own talk.Frame
	s.Until(func(f talk.Frame) bool {
		if f.CMID == cmid && f.Type == "ack" {
			ack = f
		} else if f.CMID == cmid {
			own = f
		}
		return ack.Type != "" && own.Type != ""
	})
	return ack
}

// get reads over HTTP, and decodes into v if there is one. A pod gives up a read that
// takes 5 s, as the longest may where the machine is busy: that is asked again, and
// costs more than another time.
func (w *world) get(user chat.User, path string, v any) {
	w.Helper()
	a := w.Do("GET", w.url+path, user, "")
	for end := time.Now().Add(patience); a.Status == http.StatusServiceUnavailable && time.Now().Before(end); {
		a = w.Do("GET", w.url+path, user, "")
	}
	if a.Status != 200 {
		w.Fatalf("GET %s: %d %s", path, a.Status, a.Body)
	}
	if v != nil {
		w.Decode(a, v)
	}
}

// other is one of many people.
func other(i int) chat.User { return chat.User(fmt.Sprintf("u%05d", i)) }

// seed makes direct conversations of a user with others, each with so many messages
// of the other one, as if written earlier.
func (w *world) seed(user chat.User, first, n, messages int) []string {
	w.Helper()
	seedStore(w.T, w.store, user, first, n, messages)
	var convs []string
	for i := range n {
		convs = append(convs, string(chat.DirectID(chat.DefaultNS, user, other(first+i))))
	}
	return convs
}

func seedStore(t *testing.T, s store.Store, user chat.User, first, n, messages int) {
	t.Helper()
	begin := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	var batch store.Batch
	flush := func() {
		if len(batch.Entries) == 0 {
			return
		}
		if a := s.Append(t.Context(), batch); a.Err != nil {
			t.Fatal(a.Err)
		} else if !a.Finished {
			if err := s.Finish(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		batch = store.Batch{}
	}
	for i := range n {
		peer := other(first + i)
		key := chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, user, peer)}
		var members []chat.Member
		for _, u := range []chat.User{user, peer} {
			members = append(members, chat.Member{Key: key, User: u, Role: chat.RoleMember, Joined: 1})
		}
		conv := chat.Conversation{Key: key, Kind: chat.Direct, Users: []chat.User{user, peer}, Floor: 1, History: chat.HistoryJoined}
		if err := s.Create(t.Context(), conv, members); err != nil {
			t.Fatal(err)
		}
		for m := range messages {
			batch.Entries = append(batch.Entries, chat.Entry{Key: key, Seq: chat.Seq(m + 1), Kind: chat.KindMessage, From: peer,
				CMID: chat.CMID(fmt.Sprintf("seed%d", m)), Count: int64(m + 1), Members: 2, Time: begin.Add(time.Duration(i) * time.Second / 10),
				Concerns: []chat.User{user, peer}, Body: []byte(`{"text":"hello"}`)})
		}
		if len(batch.Entries) >= 400 {
			flush()
		}
	}
	flush()
}

var writing = os.Getenv("PARLEY_WRITE_COSTS") != ""

// readAll says that alice has read everything of her many conversations.
func readAll(t *testing.T, s store.Store) {
	t.Helper()
	var moves []store.Move
	for i := range many {
		key := chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, "alice", other(i))}
		moves = append(moves, store.Move{Key: key, User: "alice", Read: 1, ReadCount: 1})
	}
	for chunk := range slices.Chunk(moves, 500) {
		if _, err := s.Advance(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
	}
}
