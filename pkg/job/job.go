// Package job is what the jobs of [store.Jobs] are about: what is in their payload
// and progress, and how they are shown. Gateways do them, and history shows them.
package job

import (
	"crypto/sha256"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// The kinds of jobs.
const (
	KindBroadcast store.JobKind = "broadcast"
	KindErasure   store.JobKind = "erasure"
	KindKeep      store.JobKind = "keep"
	KindSweep     store.JobKind = "sweep"
)

// Broadcast is the payload of a [KindBroadcast].
type Broadcast struct {
	From   chat.User      `json:"from"`
	Via    string         `json:"via,omitempty"` // the service that asked, if it is not From
	Users  []chat.User    `json:"users"`
	Body   jsontext.Value `json:"body"`
	Silent bool           `json:"silent,omitzero"`
}

// BroadcastProgress is how far a broadcast is.
type BroadcastProgress struct {
	Total  int                   `json:"total"`
	Next   int                   `json:"next"` // the first of Users that has no result
	Sent   int                   `json:"sent"`
	Failed int                   `json:"failed"`
	Errors []wire.BroadcastError `json:"errors,omitempty"` // the first wire.MaxBroadcastErrors
}

// Erasure is the payload of a [KindErasure].
type Erasure struct {
	User chat.User `json:"user"`
}

// ErasureProgress is how far an erasure is. Conversations come in order of their ids,
// and each from its end to its beginning.
type ErasureProgress struct {
	User chat.User   `json:"user"`
	Self bool        `json:"self,omitzero"`  // what is in no conversation is done
	Conv chat.ConvID `json:"conv,omitempty"` // the one under way, or the last that is done
	// Before is where the rest of Conv ends: everything from there on is done; 0: all is.
	Before chat.Seq `json:"before,omitzero"`
	Head   chat.Seq `json:"head,omitzero"`  // of Conv when it was begun
	Found  bool     `json:"found,omitzero"` // the user has written in Conv
	// Files are messages of the part below Before whose attachments must go: written down
	// before the text that names them is gone.
	Files         []chat.Seq `json:"files,omitempty"`
	Conversations int        `json:"conversations"` // that are done
	Messages      int        `json:"messages"`      // of the user, that were found in them
}

// Hash is the fingerprint of a request.
func Hash(request any) chat.Hash {
	sum := sha256.Sum256(wire.Encode(request))
	return chat.Hash(sum[:16])
}

// Decode reads a payload or a progress.
func Decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("a job cannot be read: %w", err)
	}
	return nil
}

// state is what a job's state is called.
func state(j *store.Job, complete bool) wire.JobState {
	switch {
	case j.State == store.JobDead:
		return wire.JobFailed
	case j.State == store.JobDone && j.Cancel && !complete:
		return wire.JobCancelled
	case j.State == store.JobDone:
		return wire.JobDone
	case j.State == store.JobNew:
		return wire.JobWaiting
	}
	return wire.JobRunning
}

func status(j *store.Job, complete bool) wire.JobStatus {
	s := wire.JobStatus{ID: j.ID, State: state(j, complete), Created: wire.Time{Time: j.Created},
		Started: wire.Time{Time: j.Started}, Failure: j.Failure}
	if j.State.Ended() {
		s.Finished = wire.Time{Time: j.Due}
	}
	return s
}

// ShowBroadcast is a job of [KindBroadcast] as it is shown.
func ShowBroadcast(j *store.Job) (wire.Broadcast, error) {
	var p BroadcastProgress
	if err := Decode(j.Progress, &p); err != nil {
		return wire.Broadcast{}, err
	}
	return wire.Broadcast{JobStatus: status(j, p.Next == p.Total), Total: p.Total, Sent: p.Sent, Failed: p.Failed, Errors: p.Errors}, nil
}

// ShowErasure is a job of [KindErasure] as it is shown.
func ShowErasure(j *store.Job) (wire.Erasure, error) {
	var p ErasureProgress
	if err := Decode(j.Progress, &p); err != nil {
		return wire.Erasure{}, err
	}
	return wire.Erasure{JobStatus: status(j, false), User: p.User, Conversations: p.Conversations, Messages: p.Messages}, nil
}
