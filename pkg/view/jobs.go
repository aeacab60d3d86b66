package view

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Job reads one job of a kind, without its payload; not_found if there is none.
func (r *Reader) Job(ctx context.Context, ns chat.NS, id chat.JobID, kind store.JobKind) (store.Job, error) {
	none := chat.Errorf(chat.CodeNotFound, "no such %s, or it is not yours", kind)
	if !id.Valid() {
		return store.Job{}, none
	}
	list, err := r.store.Jobs(ctx, store.JobQuery{NS: ns, ID: id, Limit: 1})
	if err != nil {
		return store.Job{}, fmt.Errorf("read job: %w", err)
	}
	if len(list) == 0 || list[0].Kind != kind {
		return store.Job{}, none
	}
	return list[0], nil
}
