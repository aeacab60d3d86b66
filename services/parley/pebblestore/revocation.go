package pebblestore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// findRevocations finds out when the latest one was changed.
func (s *Store) findRevocations() error {
	return s.scanRevocations(func(r store.Revocation) {
		s.revoked.Store(max(s.revoked.Load(), r.Changed.UnixMilli()))
	})
}

func (s *Store) scanRevocations(each func(store.Revocation)) error {
	prefix := []byte{tableRevocation}
	return scan(s.db, prefix, after(prefix), func(k, v []byte) (bool, error) {
		names := strings.SplitN(string(k[1:]), "\x00", 3)
		if len(names) != 3 {
			return false, fmt.Errorf("the key of a revocation: %w", errCorrupt)
		}
		r, err := decodeRevocation(v)
		if err != nil {
			return false, fmt.Errorf("a revocation: %w", err)
		}
		r.NS, r.Kind, r.Name = chat.NS(names[0]), store.RevocationKind(names[1]), names[2]
		each(r)
		return true, nil
	})
}

func revocationKey(r store.Revocation) []byte {
	return append(row(nil, tableRevocation, string(r.NS), string(r.Kind)), r.Name...)
}

func appendRevocation(dst []byte, r store.Revocation) []byte {
	dst = append(dst, revocationLayout)
	dst = appendInt(dst, r.Version)
	dst = append(dst, flag(r.On, 1))
	for _, t := range []time.Time{r.Before, r.Until} {
		if t.IsZero() {
			t = time.UnixMilli(0)
		}
		dst = appendTime(dst, t)
	}
	return appendTime(dst, r.Changed)
}

func decodeRevocation(v []byte) (store.Revocation, error) {
	d, err := decode(v, revocationLayout)
	if err != nil {
		return store.Revocation{}, err
	}
	r := store.Revocation{Version: d.varint(), On: d.byte() == 1, Before: d.timeOrZero(), Until: d.timeOrZero(), Changed: d.time()}
	return r, d.done()
}

// timeOrZero reads a time of which 1970 means none.
func (d *decoder) timeOrZero() time.Time {
	if t := d.time(); t.UnixMilli() != 0 {
		return t
	}
	return time.Time{}
}

// PutRevocation implements [store.Revocations].
func (s *Store) PutRevocation(ctx context.Context, r store.Revocation) (kept store.Revocation, err error) {
	err = s.update(ctx, "put a revocation", func(w *write) error {
		if err := checkNames(string(r.NS), string(r.Kind), r.Name); err != nil {
			return err
		}
		w.mark(fenceOf(s, revokedFence{}))
		key := revocationKey(r)
		v, err := get(w.reader(), key)
		if err != nil {
			return err
		}
		kept = r
		if v != nil {
			old, err := decodeRevocation(v)
			if err != nil {
				return err
			}
			old.NS, old.Kind, old.Name = r.NS, r.Kind, r.Name
			if kept = r.Join(old); kept.Version == old.Version && kept.Until.Equal(old.Until) {
				kept = old
				return nil
			}
		}
		kept.Changed = s.now().UTC().Truncate(time.Millisecond)
		s.revoked.Store(max(s.revoked.Load(), kept.Changed.UnixMilli())) // before anybody can see it
		return w.set(key, appendRevocation(nil, kept))
	})
	return kept, err
}

// Revocations implements [store.Revocations]. All of them are looked at where one
// has changed, and else none.
func (s *Store) Revocations(ctx context.Context, since time.Time) ([]store.Revocation, error) {
	return read(ctx, s, "read revocations", []fence{fenceOf(s, revokedFence{})}, func() (out []store.Revocation, err error) {
		if latest := s.revoked.Load(); latest == 0 || latest < since.UnixMilli() {
			return nil, nil
		}
		err = s.scanRevocations(func(r store.Revocation) {
			if !r.Changed.Before(since) {
				out = append(out, r)
			}
		})
		return out, err
	})
}

// DropRevocations implements [store.Revocations].
func (s *Store) DropRevocations(ctx context.Context, ended time.Time) error {
	return s.update(ctx, "drop revocations", func(w *write) error {
		w.mark(fenceOf(s, revokedFence{}))
		if s.revoked.Load() == 0 {
			return nil
		}
		var failed error
		err := s.scanRevocations(func(r store.Revocation) {
			if failed == nil && !r.Until.IsZero() && r.Until.Before(ended) {
				failed = w.changes().Delete(revocationKey(r), nil)
			}
		})
		if err != nil {
			return err
		}
		return failed
	})
}
