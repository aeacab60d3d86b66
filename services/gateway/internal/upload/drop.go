package upload

import (
	"context"

	"github.com/parley-chat/parley/pkg/chat"
)

// Drop is Forget for who has to know: when it returns without an error, the files of
// a message that is gone are deleted, but for those that another message still has,
// and those with a use that may be about to be sent, which the collector asks about
// later. It blocks until that is done; after an error it is repeated.
func (m *Manager) Drop(ctx context.Context, key chat.Key, message chat.Seq) error {
	return m.each(ctx, forget{key, message}, m.judge)
}
