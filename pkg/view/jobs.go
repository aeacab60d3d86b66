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
	return r.job(ctx, ns, id, none, func(j *store.Job) bool { return j.Kind == kind })
}

func (r *Reader) job(ctx context.Context, ns chat.NS, id chat.JobID, none error, is func(*store.Job) bool) (store.Job, error) {
	if !id.Valid() {
		return store.Job{}, none
	}
	list, err := r.store.Jobs(ctx, store.JobQuery{NS: ns, ID: id, Limit: 1})
	if err != nil {
		return store.Job{}, fmt.Errorf("read job: %w", err)
	}
	if len(list) == 0 || !is(&list[0]) {
		return store.Job{}, none
	}
	return list[0], nil
}

// AnyJob reads one job of whatever kind, without its payload; not_found if there is none.
func (r *Reader) AnyJob(ctx context.Context, ns chat.NS, id chat.JobID) (store.Job, error) {
	return r.job(ctx, ns, id, chat.Errorf(chat.CodeNotFound, "no such job"), func(*store.Job) bool { return true })
}

// Jobs reads a page of jobs, without their payloads; more says that there is another
// one behind it.
func (r *Reader) Jobs(ctx context.Context, q store.JobQuery) (list []store.Job, more bool, err error) {
	want := q.Limit
	q.Limit++
	list, err = r.store.Jobs(ctx, q)
	if err != nil {
		return nil, false, fmt.Errorf("read jobs: %w", err)
	}
	return list[:min(want, len(list))], len(list) > want, nil
}
