package gateway

import (
	"runtime/debug"

	"github.com/parley-chat/parley/pkg/bus"
)

// panics counts what broke in the loops of repair, presence and jobs, and ended none.
func (g *Gateway) panics() uint64 {
	return g.repair.Panics() + g.presence.Stats().Panics + g.jobs.Stats().Panics + g.keeper.runner.Stats().Panics + g.sweeper.runner.Stats().Panics
}

// contained has a message of another pod that breaks its function cost that message
// alone: sent again, or by others, it would end one pod after the other. It counts among
// those that cannot be read. What it announced counts as not heard, so it is read from the
// journal.
func (g *Gateway) contained(topic bus.Topic, fn func(data []byte)) func(data []byte) {
	return func(data []byte) {
		defer func() {
			if p := recover(); p != nil {
				g.stats.foreign.Add(1)
				g.log.Error("message panicked", "topic", topic, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		fn(data)
	}
}
