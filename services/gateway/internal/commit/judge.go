package commit

import (
	"runtime/debug"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// judge asks a request for its judgement as of s. One that panics gets "internal", which
// says nothing about the outcome: it must not end a pod, and then, repeated, the next
// one. It leaves nothing half done, because a judgement does not change the state.
func (c *Committer) judge(r *Request, s *state.State) (e chat.Entry, cerr *chat.Error) {
	defer func() {
		if p := recover(); p != nil {
			c.opts.Log.Error("command panicked", "conv", r.Key.Conv, r.Span.Context().LogAttr(), "panic", p, "stack", string(debug.Stack()))
			e, cerr = chat.Entry{}, chat.Errorf(chat.CodeInternal, "something went wrong here; repeat this unchanged")
		}
	}()
	return r.Judge(s)
}
