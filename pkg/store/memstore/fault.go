package memstore

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Op names an operation of the port.
type Op string

// The operations.
const (
	OpAny                Op = "" // in a Fault: every operation
	OpAppend             Op = "append"
	OpFinish             Op = "finish"
	OpEntries            Op = "entries"
	OpEntriesBy          Op = "entries by"
	OpLookup             Op = "lookup"
	OpLookupLinearizable Op = "lookup linearizable"
	OpFolds              Op = "folds"
	OpCreate             Op = "create"
	OpConversationsByKey Op = "conversations by key"
	OpMembers            Op = "members"
	OpMembersByUser      Op = "members by user"
	OpMemberships        Op = "memberships"
	OpAdvance            Op = "advance"
	OpDevices            Op = "devices"
	OpTouchDevice        Op = "touch device"
	OpDropDevice         Op = "drop device"
	OpPutBlock           Op = "put block"
	OpBlocks             Op = "blocks"
	OpBlocksAmong        Op = "blocks among"
	OpConfigure          Op = "configure"
	OpPutProfile         Op = "put profile"
	OpProfiles           Op = "profiles"
	OpCreateAttachment   Op = "create attachment"
	OpUpdateAttachment   Op = "update attachment"
	OpDeleteAttachment   Op = "delete attachment"
	OpAttachmentsByID    Op = "attachments by id"
	OpAttachmentsByUse   Op = "attachments by use"
	OpDueAttachments     Op = "due attachments"
	OpRaiseFloor         Op = "raise floor"
	OpSetKeep            Op = "set keep"
	OpBlank              Op = "blank"
	OpCreateJob          Op = "create job"
	OpJobs               Op = "jobs"
	OpClaimJobs          Op = "claim jobs"
	OpSaveJob            Op = "save job"
	OpCancelJob          Op = "cancel job"
	OpResolveJob         Op = "resolve job"
	OpCountJobs          Op = "count jobs"
	OpForgetJobs         Op = "forget jobs"
	OpPutRevocation      Op = "put revocation"
	OpRevocations        Op = "revocations"
	OpDropRevocations    Op = "drop revocations"
	OpReadJournal        Op = "read journal"
	OpTrimJournal        Op = "trim journal"
	OpRegister           Op = "register"
	OpPods               Op = "pods"
	OpForget             Op = "forget"
	OpMeta               Op = "meta"
	OpNewEpoch           Op = "new epoch"
	OpPing               Op = "ping"
)

// Kind is the way in which a call goes wrong. A read that is hit by any of them
// but Pass, Block and BlockApplied returns an error.
type Kind uint8

// The kinds. "Error" is, for Append, outcome Unknown for the entries that are hit.
const (
	// Pass: nothing goes wrong. For counting calls and waiting for them.
	Pass Kind = iota
	// Fail: nothing is applied, error.
	Fail
	// FailApplied: applied, error all the same: the reply was lost.
	FailApplied
	// Invisible: error now, like a timeout of the write concern. Appended entries
	// are in the unique indexes, but no read sees them before Release; RollBack
	// removes them. Other writes take effect at Release, or never.
	Invisible
	// Late: error now; Release applies it, against what the indexes say then.
	Late
	// Block: the call waits for Release and goes on, or for RollBack or the end of
	// its context and does nothing, error.
	Block
	// BlockApplied: applied at once (a read has its result), but the call returns
	// only at Release; at RollBack or the end of its context with an error.
	BlockApplied
)

// ErrInjected is the cause of a fault that names none.
var ErrInjected = errors.New("injected fault")

// Call is what a [Fault] can decide by. Fields that an operation does not have
// are zero.
type Call struct {
	Op     Op
	Client string // see [Store.As]
	Batch  store.Batch
	Keys   []chat.Key // conversations that are read or written, but for Batch
	User   chat.User
	Pod    string
}

// Fault says which calls go wrong, and how. Its functions run under the store's
// lock: they must not call the store, nor block.
//
// A call that several faults match waits for each Block, then suffers the first
// other one but Pass, in the order of injection.
type Fault struct {
	Op    Op
	Kind  Kind
	Times int // hits after which it is spent; 0: until removed
	Skip  int // matching calls that are let through first
	// When selects calls. Default: all.
	When func(Call) bool
	// Entry selects entries of an Append. A fault holds from the entry that it
	// matches on to the end of that conversation's part of the batch; only after
	// FailApplied or Invisible may another follow. Other conversations of the batch are stored.
	// Default: all entries.
	Entry func(*chat.Entry) bool
	// Err is the cause. Default: [ErrInjected].
	Err error
}

// Injection is a fault at work.
type Injection struct {
	s *state
	f Fault

	// Guarded by s.mu.
	seen, hits int
	removed    bool
	held       []func(release bool) // called with the lock held
	changed    chan struct{}        // closed at the next hit
}

// Inject puts a fault to work.
func (s *Store) Inject(f Fault) *Injection {
	if f.Err == nil {
		f.Err = ErrInjected
	}
	in := &Injection{s: s.state, f: f, changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, in)
	return in
}

// Calls counts the calls of an operation so far, those that failed included.
func (s *Store) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// AllCalls is [Store.Calls] of every operation that was called.
func (s *Store) AllCalls() map[Op]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Hits counts the calls that were hit.
func (in *Injection) Hits() int {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	return in.hits
}

// Wait blocks until at least n calls were hit: blocked calls are inside then. It
// returns the context's error if that ends first.
func (in *Injection) Wait(ctx context.Context, n int) error {
	for {
		in.s.mu.Lock()
		hits, changed := in.hits, in.changed
		in.s.mu.Unlock()
		if hits >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Remove lets later calls pass. What is held stays held.
func (in *Injection) Remove() {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.removed = true
	in.s.faults = slices.DeleteFunc(in.s.faults, func(o *Injection) bool { return o == in })
}

// Release lets go what is held so far, in the order of the calls: blocked calls
// go on, late writes are applied, invisible ones become visible. Later calls are
// hit as before.
func (in *Injection) Release() { in.letGo(true) }

// RollBack undoes what is held so far: invisible entries are removed, late writes
// never come, blocked calls return an error.
func (in *Injection) RollBack() { in.letGo(false) }

func (in *Injection) letGo(release bool) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	held := in.held
	in.held = nil
	for _, f := range held {
		f(release)
	}
}

// matchLocked says whether the fault hits the call, and counts what it lets pass.
func (in *Injection) matchLocked(c *Call) bool {
	f := &in.f
	if f.Op != OpAny && f.Op != c.Op || f.Times > 0 && in.hits >= f.Times || f.When != nil && !f.When(*c) {
		return false
	}
	if f.Entry != nil {
		ok := func(e chat.Entry) bool { return f.Entry(&e) }
		if c.Op != OpAppend || !slices.ContainsFunc(c.Batch.Entries, ok) {
			return false
		}
	}
	in.seen++
	return in.seen > f.Skip
}

// hitLocked counts a hit; hold, if any, is what Release and RollBack call.
func (in *Injection) hitLocked(hold func(release bool)) {
	in.hits++
	if hold != nil {
		in.held = append(in.held, hold)
	}
	close(in.changed)
	in.changed = make(chan struct{})
}

// holdCallLocked counts a hit of a call that waits for the answer of the channel.
func (in *Injection) holdCallLocked() <-chan bool {
	answer := make(chan bool, 1)
	in.hitLocked(func(release bool) { answer <- release })
	return answer
}

// await waits for the answer of a held call.
func (in *Injection) await(ctx context.Context, answer <-chan bool) error {
	select {
	case release := <-answer:
		if !release {
			return in.f.Err
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
