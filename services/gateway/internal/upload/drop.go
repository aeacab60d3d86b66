package upload

import (
	"context"

	"github.com/parley-chat/parley/pkg/chat"
)

// Drop is Forget for who has to know: when it returns without an error, the files of
// a message, which must be gone, are deleted, but for those that another pod is just
// looking at, and those with another use that may be about to be sent. It may be
// repeated.
func (m *Manager) Drop(ctx context.Context, key chat.Key, message chat.Seq) error {
	return m.forget(ctx, forget{key, message})
}
