package route

import (
	"sync"

	"github.com/parley-chat/parley/pkg/chat"
)

// Hash stands for a user or a conversation, the same on every pod. Two things with
// one hash do no harm: a pod looks where it need not.
type Hash uint32

const hashBytes = 4

// HashConv is the hash of a conversation.
func HashConv(k chat.Key) Hash { return hash(string(k.NS), 'c', string(k.Conv)) }

// HashUser is the hash of a user; never 0.
func HashUser(ns chat.NS, u chat.User) Hash { return max(1, hash(string(ns), 'u', string(u))) }

// hash is FNV-1a. What comes between is in no id.
func hash(ns string, kind byte, id string) Hash {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for i := range len(ns) {
		h = (h ^ uint32(ns[i])) * prime
	}
	h = h * prime // a zero byte
	h = (h ^ uint32(kind)) * prime
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * prime
	}
	return Hash(h)
}

// interest counts what a pod has, by hash.
type interest [shards]struct {
	mu sync.Mutex
	n  map[Hash]int
}

// note counts h, or ends that.
func (in *interest) note(h Hash, there bool) {
	sh := &in[h%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.n == nil {
		sh.n = make(map[Hash]int)
	}
	if there {
		sh.n[h]++
	} else if sh.n[h]--; sh.n[h] == 0 {
		delete(sh.n, h)
	}
}

// Interested reports whether this pod has a user or a conversation of that hash.
// Who is registered before it reads the store is counted before it reads.
func (t *Table) Interested(h Hash) bool {
	sh := &t.interest[h%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, ok := sh.n[h]
	return ok
}

// Keep has a conversation's announcements taken, or ends that, although no session
// may be attached to it: the pod keeps its tail.
func (t *Table) Keep(key chat.Key, there bool) { t.interest.note(HashConv(key), there) }
