// Package memstore keeps everything in memory: the store of the services' tests.
// It behaves like MongoDB does (Append and Finish are two steps, and an entry may
// be in the unique indexes before any read can see it), and it fails on demand,
// in the ways that a replica set fails: see [Fault].
//
// Where a caller breaks a rule of the port that would corrupt real data without
// anybody noticing, such as a hole in a log, it panics and says which.
package memstore

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Options adjust a [Store]. The zero value is a store like MongoDB.
type Options struct {
	// Atomic makes Append finish what it stores in the same step, as the embedded
	// store does. Default: two steps.
	Atomic bool
	// Now is the store's clock, for leases and journal documents. Default: time.Now.
	Now func() time.Time
}

// Store is a [store.Store] in memory. All methods may be called concurrently.
type Store struct {
	*state
	client string
}

var _ store.Store = (*Store)(nil)

// New makes an empty store. It starts no goroutine and needs no Close.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{state: &state{
		atomic:   o.Atomic,
		now:      func() time.Time { return o.Now().UTC().Truncate(time.Millisecond) },
		convs:    map[chat.Key]*conversation{},
		members:  map[owner]map[chat.ConvID]*chat.Member{},
		devices:  map[owner]map[chat.Device]time.Time{},
		blocks:   map[store.Pair]chat.Block{},
		profiles: map[owner]chat.Profile{},
		files:    map[file]store.Attachment{},
		jobs:     map[job]store.Job{},
		journals: map[string]map[uint64]store.JournalDoc{},
		pods:     map[string]store.Pod{},

		revocations: map[revoked]store.Revocation{},

		calls: map[Op]int{},

		generations: map[int64]*generation{},
	}}
}

// As is the same store as another client sees it: its calls carry the name, so
// that a [Fault] can cut off one of several pods that share the data.
func (s *Store) As(client string) *Store { return &Store{state: s.state, client: client} }

// Close does nothing: several pods of one test may share a store, and each
// closes its own handle.
func (s *Store) Close() error { return nil }

// state is the data, shared by all handles.
type state struct {
	atomic bool
	now    func() time.Time

	mu          sync.Mutex // guards everything below, injections included
	convs       map[chat.Key]*conversation
	members     map[owner]map[chat.ConvID]*chat.Member // the same documents, by user
	devices     map[owner]map[chat.Device]time.Time
	blocks      map[store.Pair]chat.Block
	profiles    map[owner]chat.Profile
	files       map[file]store.Attachment
	jobs        map[job]store.Job
	journals    map[string]map[uint64]store.JournalDoc
	pods        map[string]store.Pod
	revocations map[revoked]store.Revocation
	meta        store.MetaInfo

	generations    map[int64]*generation // of the search index
	lastGeneration int64

	faults []*Injection
	calls  map[Op]int
}

// owner is a user across tenants.
type owner struct {
	ns   chat.NS
	user chat.User
}

// conversation is everything under one key.
type conversation struct {
	doc     *chat.Conversation // nil until created
	members map[chat.User]*chat.Member

	log     []*chat.Entry // by seq, from 1
	visible int           // reads see log[:visible]
	cmids   map[sent]*chat.Entry
	folds   map[chat.Seq]*fold
}

// sent is the key of the second unique index.
type sent struct {
	from chat.User
	cmid chat.CMID
}

// fold is what later entries made of one message.
type fold struct {
	edited    *store.Edited
	edits     map[chat.Seq]bool
	recalled  *store.Recalled
	reactions map[store.Reaction]int64 // the largest ReactionVersion
}

func (s *state) convLocked(key chat.Key) *conversation {
	c := s.convs[key]
	if c == nil {
		c = &conversation{
			members: map[chat.User]*chat.Member{},
			cmids:   map[sent]*chat.Entry{},
			folds:   map[chat.Seq]*fold{},
		}
		s.convs[key] = c
	}
	return c
}

func (s *state) memberLocked(key chat.Key, user chat.User) (m *chat.Member, isNew bool) {
	c := s.convLocked(key)
	if m = c.members[user]; m != nil {
		return m, false
	}
	m = &chat.Member{Key: key, User: user}
	c.members[user] = m
	o := owner{key.NS, user}
	if s.members[o] == nil {
		s.members[o] = map[chat.ConvID]*chat.Member{}
	}
	s.members[o][key.Conv] = m
	return m, true
}

func (c *conversation) fold(seq chat.Seq) *fold {
	f := c.folds[seq]
	if f == nil {
		f = &fold{edits: map[chat.Seq]bool{}, reactions: map[store.Reaction]int64{}}
		c.folds[seq] = f
	}
	return f
}

func (s *state) metaLocked() store.MetaInfo {
	if s.meta == (store.MetaInfo{}) {
		s.meta = store.MetaInfo{Cluster: rand.Text(), Epoch: rand.Text()}
	}
	return s.meta
}
