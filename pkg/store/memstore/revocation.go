package memstore

import (
	"context"
	"maps"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// revoked is the key of a revocation.
type revoked struct {
	ns   chat.NS
	kind store.RevocationKind
	name string
}

// PutRevocation implements [store.Revocations].
func (s *Store) PutRevocation(ctx context.Context, r store.Revocation) (store.Revocation, error) {
	return write(ctx, s, Call{Op: OpPutRevocation}, func() (store.Revocation, error) {
		k := revoked{r.NS, r.Kind, r.Name}
		old := s.revocations[k]
		r.Changed = old.Changed
		if kept := r.Join(old); kept != old {
			kept.Changed = s.now()
			s.revocations[k] = kept
		}
		return s.revocations[k], nil
	})
}

// Revocations implements [store.Revocations].
func (s *Store) Revocations(ctx context.Context, since time.Time) ([]store.Revocation, error) {
	return read(ctx, s, Call{Op: OpRevocations}, func() ([]store.Revocation, error) {
		var out []store.Revocation
		for _, r := range s.revocations {
			if !r.Changed.Before(since) {
				out = append(out, r)
			}
		}
		return out, nil
	})
}

// DropRevocations implements [store.Revocations].
func (s *Store) DropRevocations(ctx context.Context, ended time.Time) error {
	return exec(ctx, s, Call{Op: OpDropRevocations}, func() error {
		maps.DeleteFunc(s.revocations, func(_ revoked, r store.Revocation) bool {
			return !r.Until.IsZero() && r.Until.Before(ended)
		})
		return nil
	})
}
