package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Bounds of broadcasts.
const (
	MaxBroadcast       = 10000 // users of one
	MaxBroadcastErrors = 100   // that are told of one
	MaxBroadcasts      = 100   // that have not ended, of a tenant; about so many, where several are made at a time
	MaxErasures        = 100   // the same for erasures
)

// JobState is how far a job has come.
type JobState string

// The states of a job.
const (
	JobWaiting   JobState = "waiting" // for somebody to begin, or to try it again
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobCancelled JobState = "cancelled"
	JobFailed    JobState = "failed" // it was given up
)

// JobStatus is what all jobs have. It is shown for seven days after the job has ended.
type JobStatus struct {
	ID       chat.JobID `json:"id"`
	State    JobState   `json:"state"`
	Created  Time       `json:"created"`
	Started  Time       `json:"started,omitzero"`
	Finished Time       `json:"finished,omitzero"`
	Failure  string     `json:"failure,omitempty"` // why it was given up, or waits to be tried again
}

// NewBroadcast sends a message to many users, to each in the direct conversation.
// Exactly one of Users and Conv is set.
type NewBroadcast struct {
	From   chat.User      `json:"from,omitempty"`  // default: the token's user
	Users  []chat.User    `json:"users,omitempty"` // at most 10,000, none twice
	Conv   chat.ConvID    `json:"conv,omitempty"`  // everybody who is in this group now, but for From
	Body   jsontext.Value `json:"body"`            // without attachments
	Silent bool           `json:"silent,omitzero"`
	CMID   chat.CMID      `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
}

// Broadcast is how far a broadcast is.
type Broadcast struct {
	JobStatus `json:",inline"`
	Total     int              `json:"total"`
	Sent      int              `json:"sent"`
	Failed    int              `json:"failed"`
	Errors    []BroadcastError `json:"errors,omitempty"` // the first 100 of those that failed
}

// BroadcastError says that a user does not get a broadcast, and why.
type BroadcastError struct {
	User chat.User `json:"user"`
	Code chat.Code `json:"code"`
}

// NewErasure takes away what a user has written and set.
type NewErasure struct {
	CMID chat.CMID `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
}

// Erasure is how far the erasure of a user is.
type Erasure struct {
	JobStatus     `json:",inline"`
	User          chat.User `json:"user"`
	Conversations int       `json:"conversations"` // that are done
	Messages      int       `json:"messages"`      // of the user, that were found in them
}

// Erased says that nothing which a user wrote in a conversation up to an entry has a
// body any more: a client that keeps messages drops theirs. It is told to who is
// connected, and may be lost.
type Erased struct {
	Type string      `json:"type"`
	Conv chat.ConvID `json:"conv"`
	User chat.User   `json:"user"`
	Seq  chat.Seq    `json:"seq"`
}

// Job is a piece of work in the background as operators see it, of whatever kind.
type Job struct {
	JobStatus `json:",inline"`
	Kind      JobKind     `json:"kind"`
	Creator   chat.User   `json:"creator,omitempty"` // none: the deployment itself
	Due       Time        `json:"due"`               // waiting: it begins then at the latest; running: it is lost to another worker then; else it ended then
	Worker    string      `json:"worker,omitempty"`  // the pod that has, or had, it
	Attempt   int64       `json:"attempt"`           // grows whenever it is begun, given back or dismissed
	Tries     int         `json:"tries"`             // since a step succeeded
	Cancelled bool        `json:"cancelled,omitzero"`
	Progress  JobProgress `json:"progress"`
}

// JobKind is what a job is about.
type JobKind string

// The kinds of jobs.
const (
	JobBroadcast JobKind = "broadcast"
	JobErasure   JobKind = "erasure"
	JobKeep      JobKind = "keep"  // a conversation is kept for a time
	JobSweep     JobKind = "sweep" // all that nobody has decided on are kept for a time
)

// JobProgress is how far a job is.
type JobProgress struct {
	Total    int         `json:"total,omitzero"`    // users of a broadcast
	Done     int         `json:"done,omitzero"`     // users of a broadcast, conversations of an erasure or of a sweep's round
	Failed   int         `json:"failed,omitzero"`   // of a broadcast: users who did not get it
	User     chat.User   `json:"user,omitempty"`    // who is erased
	Conv     chat.ConvID `json:"conv,omitempty"`    // which an erasure or sweep is at, or that is kept
	Messages int         `json:"messages,omitzero"` // of an erasure, found until now
}

// RetryJob gives a job back.
type RetryJob struct {
	Attempt int64 `json:"attempt,omitzero"` // only while it is at this one; default: as it is
}
