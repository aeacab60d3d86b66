package receipt

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
)

// hide marks the positions of users who keep theirs from others. They are read
// anew for every batch, one read a tenant: a pod that remembered it could go on
// telling what a user has just hidden at another pod.
func (t *Tracker) hide(ctx context.Context, told []Position) error {
	users := make(map[chat.NS][]chat.User)
	for _, p := range told {
		if p.Read > 0 {
			users[p.Key.NS] = append(users[p.Key.NS], p.User)
		}
	}
	for ns, list := range users {
		profiles, err := t.opts.Store.Profiles(ctx, ns, list)
		if err != nil {
			return fmt.Errorf("read profiles: %w", err)
		}
		for i, p := range told {
			if p.Key.NS == ns && profiles[p.User].HideRead {
				told[i].Hidden = true
			}
		}
	}
	return nil
}
