package job

import (
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// Kinds are all of them.
func Kinds() []store.JobKind { return []store.JobKind{KindBroadcast, KindErasure, KindKeep, KindSweep} }

// InState are the states of the store that are shown as a state; none: no job has it.
// What was cancelled is found among what is done.
func InState(s wire.JobState) []store.JobState {
	switch s {
	case wire.JobWaiting:
		return []store.JobState{store.JobNew}
	case wire.JobRunning:
		return []store.JobState{store.JobLeased}
	case wire.JobDone, wire.JobCancelled:
		return []store.JobState{store.JobDone}
	case wire.JobFailed:
		return []store.JobState{store.JobDead}
	}
	return nil
}

// StateOf is how a state of the store is shown, of a job that is not cancelled.
func StateOf(s store.JobState) wire.JobState { return state(&store.Job{State: s}, true) }

// Show is a job of any kind as operators see it.
func Show(j *store.Job) (wire.Job, error) {
	out := wire.Job{Kind: wire.JobKind(j.Kind), Creator: j.Creator, Due: wire.Time{Time: j.Due}, Worker: j.Owner, Attempt: j.Attempt,
		Tries: j.Tries, Cancelled: j.Cancel}
	complete := false
	var err error
	switch j.Kind {
	case KindBroadcast:
		var p BroadcastProgress
		err = Decode(j.Progress, &p)
		complete = p.Next == p.Total
		out.Progress = wire.JobProgress{Total: p.Total, Done: p.Next, Failed: p.Failed}
	case KindErasure:
		var p ErasureProgress
		err = Decode(j.Progress, &p)
		out.Progress = wire.JobProgress{User: p.User, Conv: p.Conv, Done: p.Conversations, Messages: p.Messages}
	case KindKeep:
		var p KeepProgress
		err = Decode(j.Progress, &p)
		out.Progress = wire.JobProgress{Conv: p.Conv}
	case KindSweep:
		var p SweepProgress
		err = Decode(j.Progress, &p)
		out.Progress = wire.JobProgress{Conv: p.Conv, Done: int(p.Seen)}
	}
	out.JobStatus = status(j, complete)
	return out, err
}

// Cancels says whether an operator may end a job as it is: whatever was given up, and a
// broadcast at any time. Half an erasure is no state that anybody wants, and how long
// a conversation is kept is decided at the conversation.
func Cancels(j *store.Job) *chat.Error {
	switch {
	case j.State.Ended() || j.Kind == KindBroadcast:
		return nil
	case j.Kind == KindKeep:
		return chat.Errorf(chat.CodeForbidden, "this job ends when somebody decides again for how long the conversation is kept")
	case j.Kind == KindSweep:
		return chat.Errorf(chat.CodeForbidden, "this job is the deployment's own: its retention decides what it does")
	}
	return chat.Errorf(chat.CodeForbidden, "a job of the kind %s is not cancelled before it has failed", j.Kind)
}
