package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
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

// Ended says that nobody will do anything for the job any more, unless somebody gives
// a dead one back with [Jobs.ResolveJob].
func (s JobState) Ended() bool { return s == JobDone || s == JobDead }

// Job is work that is done by whoever has its lease, step by step, and is not lost
// with whoever does it. All times are of the store's clock.
type Job struct {
	NS      chat.NS
	ID      chat.JobID
	Kind    JobKind
	Creator chat.User
	Hash    chat.Hash // of what was asked for: tells a repeated request from another one
	// Payload is what is to be done; it does not change. It is gone when the job is done;
	// of a dead one it stays, for who gives it back.
	Payload []byte
	Created time.Time
	Started time.Time // first claim; zero: there was none

	State JobState
	// Due is when it may be claimed (JobNew), when its lease ends (JobLeased), or when
	// it ended.
	Due     time.Time
	Owner   string // who has, or had, the lease
	Attempt int64  // how often it was claimed or resolved: the fence of whoever has the lease
	Version int64  // of what was saved in this attempt: the fence of late writes
	// Tries is how often it was claimed since somebody set it back by saving.
	Tries    int
	Progress []byte // what whoever claims it next must know
	Failure  string // why the last try failed; safe to show
	Cancel   bool   // it shall end
}

// Resolve is what [Jobs.ResolveJob] makes of a job at a time; false: nothing.
func (j *Job) Resolve(attempt int64, to JobState, now time.Time) bool {
	again := to == JobNew && (j.State == JobDead || j.State == JobNew && !j.Cancel)
	dismissed := to == JobDone && j.State == JobDead
	if j.Attempt != attempt && !mutant.Is(mutant.ResolveUnfenced) || !again && !dismissed {
		return false
	}
	j.State, j.Cancel, j.Due, j.Attempt, j.Version = to, dismissed, now, j.Attempt+1, 0
	if again {
		j.Tries = 0
	}
	return true
}

// Add counts a job of its kind and state, as of a time.
func (c *JobCount) Add(j *Job, now time.Time) {
	c.Jobs++
	if !j.State.Ended() {
		c.Late = max(c.Late, now.Sub(j.Due))
	}
}

// Claim says what a worker takes on.
type Claim struct {
	Owner string // who asks; for people to read
	Kinds []JobKind
	Lease time.Duration
	Limit int // ≥ 1
}

// JobQuery selects jobs of a tenant: the one with ID, or at most Limit (≥ 1) of some
// Kinds and States, in the order of Due and ID, behind After. A job that moves between
// two pages may be on both, or on none.
type JobQuery struct {
	NS     chat.NS
	ID     chat.JobID
	Kinds  []JobKind
	States []JobState // none: those that have not ended
	Newest bool       // the latest Due first
	After  JobMark    // zero: from the beginning
	Limit  int
}

// JobMark is a place in the order of jobs.
type JobMark struct {
	Due time.Time
	ID  chat.JobID
}

// Mark is the place of a job.
func (j *Job) Mark() JobMark { return JobMark{j.Due, j.ID} }

// Compare is negative where m is before n, by Due first.
func (m JobMark) Compare(n JobMark) int { return cmp.Or(m.Due.Compare(n.Due), cmp.Compare(m.ID, n.ID)) }

// Wants says that a job of the query's tenant is what it asks for; not how many are.
func (q *JobQuery) Wants(j *Job) bool {
	if q.ID != "" {
		return j.ID == q.ID
	}
	if !slices.Contains(q.Kinds, j.Kind) || !slices.Contains(q.states(), j.State) {
		return false
	}
	side := j.Mark().Compare(q.After)
	return q.After == JobMark{} || q.Newest && side < 0 || !q.Newest && side > 0
}

func (q *JobQuery) states() []JobState {
	if len(q.States) == 0 {
		return []JobState{JobNew, JobLeased}
	}
	return q.States
}

// Sort brings jobs into the query's order, and returns as many as it wants.
func (q *JobQuery) Sort(list []Job) []Job {
	slices.SortFunc(list, func(a, b Job) int {
		if q.Newest {
			return b.Mark().Compare(a.Mark())
		}
		return a.Mark().Compare(b.Mark())
	})
	return list[:min(q.Limit, len(list))]
}

// JobCount is how many jobs of a kind, of all tenants, are in a state.
type JobCount struct {
	Kind  JobKind
	State JobState
	Jobs  int
	// Late is since when the first of them is due; 0: none is. A dead one is not due.
	Late time.Duration
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

	// Jobs reads some jobs, without Payload, in the order of q; missing ones are left out.
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

	// ResolveJob decides what becomes of a job that nobody has, where its Attempt is
	// attempt, which becomes one larger, so that what whoever had it saves late is
	// refused, and a repeat of this call changes nothing. To JobNew: it is due at once,
	// with Tries 0; that is for a dead one, which is not cancelled any more, and for one
	// that waits and is not cancelled. To JobDone: it is done, and cancelled; that is for
	// a dead one. In all other cases nothing is changed, which is success. It returns the
	// job as it is then, without Payload; ErrNotFound if there is none.
	ResolveJob(ctx context.Context, ns chat.NS, id chat.JobID, attempt int64, to JobState) (Job, error)

	// CountJobs counts the jobs of some kinds that are not done, up to most (≥ 1) of a
	// kind in a state; what there is none of is left out.
	CountJobs(ctx context.Context, kinds []JobKind, most int) ([]JobCount, error)

	// ForgetJobs removes jobs of some kinds that ended longer ago than age, at most
	// limit (≥ 1), and returns how many.
	ForgetJobs(ctx context.Context, kinds []JobKind, age time.Duration, limit int) (int, error)
}
