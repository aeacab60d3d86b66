// Package meterstore is a store that says how long each call of another one took
// and what became of it. It adds two looks at the clock to a call, and changes
// nothing.
package meterstore

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/pkg/store"
)

// Op is a method of a store, as a metric label and the name of a span.
type Op string

// The methods.
const (
	opCreateAttachment   Op = "create_attachment"
	opUpdateAttachment   Op = "update_attachment"
	opDeleteAttachment   Op = "delete_attachment"
	opAttachmentsByID    Op = "attachments_by_id"
	opAttachmentsByUse   Op = "attachments_by_use"
	opDueAttachments     Op = "due_attachments"
	opPutBlock           Op = "put_block"
	opBlocks             Op = "blocks"
	opBlocksAmong        Op = "blocks_among"
	opCreate             Op = "create"
	opConversationsByKey Op = "conversations_by_key"
	opMembers            Op = "members"
	opMembersByUser      Op = "members_by_user"
	opMemberships        Op = "memberships"
	opAdvance            Op = "advance"
	opDevices            Op = "devices"
	opTouchDevice        Op = "touch_device"
	opDropDevice         Op = "drop_device"
	opReadJournal        Op = "read_journal"
	opTrimJournal        Op = "trim_journal"
	opAppend             Op = "append"
	opFinish             Op = "finish"
	opEntries            Op = "entries"
	opEntriesBy          Op = "entries_by"
	opLookup             Op = "lookup"
	opLookupLinearizable Op = "lookup_linearizable"
	opFolds              Op = "folds"
	opMeta               Op = "meta"
	opNewEpoch           Op = "new_epoch"
	opPing               Op = "ping"
	opRegister           Op = "register"
	opPods               Op = "pods"
	opForget             Op = "forget"
	opRaiseFloor         Op = "raise_floor"
	opSetKeep            Op = "set_keep"
	opBlank              Op = "blank"
	opConfigure          Op = "configure"
	opPutProfile         Op = "put_profile"
	opProfiles           Op = "profiles"
	opCreateJob          Op = "create_job"
	opJobs               Op = "jobs"
	opClaimJobs          Op = "claim_jobs"
	opSaveJob            Op = "save_job"
	opCancelJob          Op = "cancel_job"
	opResolveJob         Op = "resolve_job"
	opCountJobs          Op = "count_jobs"
	opForgetJobs         Op = "forget_jobs"
	opPutRevocation      Op = "put_revocation"
	opRevocations        Op = "revocations"
	opDropRevocations    Op = "drop_revocations"
)

// Outcome is what became of a call, as a metric label.
type Outcome string

// The outcomes.
const (
	OK        Outcome = "ok"
	NotFound  Outcome = "not_found" // what was asked for is not there: an answer
	Conflict  Outcome = "conflict"  // others were first; for an append: at least one entry was refused by an index
	Cancelled Outcome = "cancelled" // the caller wanted no answer any more
	Timeout   Outcome = "timeout"   // the caller's time was over: the store is slow or away
	Failed    Outcome = "error"
)

// Observer is told of each call when it is over, with the call's context. It must
// not block.
type Observer func(ctx context.Context, op Op, outcome Outcome, begun time.Time, took time.Duration)

// Store is a store that is observed.
type Store struct {
	store.Store
	observe Observer
}

// New observes a store. With a nil observer it is the store itself.
func New(s store.Store, observe Observer) store.Store {
	if observe == nil {
		return s
	}
	return &Store{s, observe}
}

func (m *Store) done(ctx context.Context, op Op, begun time.Time, err error) {
	m.observe(ctx, op, outcomeOf(err), begun, time.Since(begun))
}

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, store.ErrNotFound):
		return NotFound
	case errors.Is(err, store.ErrConflict):
		return Conflict
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Failed
}

// Append implements store.Store. Its outcome is that of the worst of its entries.
func (m *Store) Append(ctx context.Context, b store.Batch) store.Appended {
	begun := time.Now()
	res := m.Store.Append(ctx, b)
	outcome := outcomeOf(res.Err)
	for _, o := range res.Outcomes {
		switch {
		case outcome != OK:
		case o == store.Duplicate:
			outcome = Conflict
		case o == store.Unknown:
			outcome = Failed
		}
	}
	m.observe(ctx, opAppend, outcome, begun, time.Since(begun))
	return res
}
