package store

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// JobKind says who does a job.
type JobKind string

// JobState is how far a job has come.
type JobState uint8

// The states of a job.
const (
	JobNew    JobState = iota + 1 // waits, at least until Due
	JobLeased                     // somebody does it, and has it until Due
	JobDone                       // ended well, or was cancelled
	JobDead                       // given up
)

// Ended says that nobody will do anything for the job any more.
func (s JobState) Ended() bool { return s == JobDone || s == JobDead }

// Job is work that is done by whoever has its lease, step by step, and is not lost
// with whoever does it. All times are of the store's clock.
type Job struct {
	NS      chat.NS
	ID      chat.JobID
	Kind    JobKind
	Creator chat.User
	Hash    chat.Hash // of what was asked for: tells a repeated request from another one
	Payload []byte    // what is to be done; it does not change. It is gone when the job has ended
	Created time.Time
	Started time.Time // first claim; zero: there was none

	State JobState
	// Due is when it may be claimed (JobNew), when its lease ends (JobLeased), or when
	// it ended.
	Due     time.Time
	Owner   string // who has, or had, the lease
	Attempt int64  // how often it was claimed: the fence of whoever has the lease
	Version int64  // of what was saved in this attempt: the fence of late writes
	// Tries is how often it was claimed since somebody set it back by saving.
	Tries    int
	Progress []byte // what whoever claims it next must know
	Failure  string // why the last try failed; safe to show
	Cancel   bool   // it shall end
}

// Claim says what a worker takes on.
type Claim struct {
	Owner string // who asks; for people to read
	Kinds []JobKind
	Lease time.Duration
	Limit int // ≥ 1
}

// JobQuery selects jobs of a tenant: the one with ID, or those of a Kind that have
// not ended, at most Limit (≥ 1) in open order.
type JobQuery struct {
	NS    chat.NS
	ID    chat.JobID
	Kind  JobKind
	Limit int
}

// Jobs is work that outlives its workers. Only one worker can claim a job at a time;
// one that dies, or is cut off, loses it when its lease ends, and from the next claim
// on nothing that it saves is kept. So a job is done at least once, and whoever does
// it must make its steps harmless to repeat.
type Jobs interface {
	// CreateJob stores a job that is new and due: NS, ID, Kind, Creator, Hash, Payload
	// and Progress are the caller's, everything else is set here. If there is one with
	// its ID, that is left as it is; that is success. It returns what is kept, without
	// Payload.
	CreateJob(ctx context.Context, j Job) (Job, error)

	// Jobs reads some jobs, without Payload; missing ones are left out.
	Jobs(ctx context.Context, q JobQuery) ([]Job, error)

	// ClaimJobs takes leases on jobs that are due, new or left behind, those that are
	// due longest first, and returns them with Attempt, and Tries, one larger and
	// Version 0. Of several who claim the same job at the same time one gets it. After
	// an error jobs may be claimed all the same: they come back when the lease ends.
	ClaimJobs(ctx context.Context, c Claim) ([]Job, error)

	// SaveJob keeps State, Tries, Progress and Failure of a job that was claimed, where
	// its Attempt is j's and what was saved before has a smaller Version; and sets Due
	// to wait from now: that is the rest of the lease, or, of a job that is new again,
	// the pause; an ended job is due at once. It returns the job as it is then, without
	// Payload. If j.Version is kept already, that is success. ErrConflict, and nothing
	// is changed: somebody else has claimed the job, or it is not there any more.
	SaveJob(ctx context.Context, j Job, wait time.Duration) (Job, error)

	// CancelJob sets Cancel of a job that has not ended, and makes one that waits due.
	// It returns the job as it is then, without Payload; ErrNotFound if there is none.
	CancelJob(ctx context.Context, ns chat.NS, id chat.JobID) (Job, error)

	// ForgetJobs removes jobs of some kinds that ended longer ago than age, at most
	// limit (≥ 1), and returns how many.
	ForgetJobs(ctx context.Context, kinds []JobKind, age time.Duration, limit int) (int, error)
}
