package pebblestore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/store"
)

// ReadJournal implements [store.Journal].
func (s *Store) ReadJournal(ctx context.Context, pod string, from uint64, limit int) ([]store.JournalDoc, error) {
	return read(ctx, s, "read a journal", []fence{fenceOf(s, podFence{pod})}, func() (out []store.JournalDoc, err error) {
		if from == math.MaxUint64 {
			return nil, nil
		}
		prefix := row(nil, tableJournal, pod)
		err = scan(s.db, journalKey(pod, from+1), after(prefix), func(k, v []byte) (bool, error) {
			n := binary.BigEndian.Uint64(k[len(prefix):])
			doc, err := decodeJournal(pod, n, v)
			if err != nil {
				return false, fmt.Errorf("of %s, number %d: %w", pod, n, err)
			}
			out = append(out, doc)
			return len(out) < limit, nil
		})
		return out, err
	})
}

// TrimJournal implements [store.Journal].
func (s *Store) TrimJournal(ctx context.Context, pod string, before uint64) error {
	return s.update(ctx, "trim a journal", func(w *write) error {
		w.mark(fenceOf(s, podFence{pod}))
		if before == 0 {
			return nil
		}
		return w.changes().DeleteRange(journalKey(pod, 0), journalKey(pod, before), nil)
	})
}

// Register implements [store.Pods].
func (s *Store) Register(ctx context.Context, p store.Pod, lease time.Duration) error {
	return s.update(ctx, "register a pod", func(w *write) error {
		if err := checkNames(p.ID); err != nil {
			return err
		}
		w.mark(fenceOf(s, podsFence{}))
		v, err := get(w.reader(), podKey(p.ID))
		if err != nil {
			return err
		}
		now := s.now()
		if v != nil {
			old, err := decodePod(p.ID, v)
			if err != nil {
				return err
			}
			if !old.Until.After(now) {
				return fmt.Errorf("the lease of %s has run out: %w", p.ID, store.ErrNotFound)
			}
		}
		p.Until = now.Add(lease)
		return w.set(podKey(p.ID), appendPod(nil, &p))
	})
}

// Pods implements [store.Pods].
func (s *Store) Pods(ctx context.Context) ([]store.Pod, time.Time, error) {
	var now time.Time
	pods, err := read(ctx, s, "read pods", []fence{fenceOf(s, podsFence{})}, func() (out []store.Pod, err error) {
		now = s.now()
		prefix := row(nil, tablePod)
		err = scan(s.db, prefix, after(prefix), func(k, v []byte) (bool, error) {
			p, err := decodePod(rest(k, prefix), v)
			out = append(out, p)
			return true, err
		})
		return out, err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return pods, now, nil
}

// Forget implements [store.Pods].
func (s *Store) Forget(ctx context.Context, id string) error {
	return s.update(ctx, "forget a pod", func(w *write) error {
		w.mark(fenceOf(s, podsFence{}))
		w.mark(fenceOf(s, podFence{id}))
		if err := w.changes().Delete(podKey(id), nil); err != nil {
			return err
		}
		prefix := row(nil, tableJournal, id)
		return w.changes().DeleteRange(prefix, after(prefix), nil)
	})
}

// Meta implements [store.Meta].
func (s *Store) Meta(ctx context.Context) (store.MetaInfo, error) {
	m, err := read(ctx, s, "read the identity", []fence{fenceOf(s, metaFence{})}, func() (m store.MetaInfo, err error) {
		v, err := get(s.db, selfKey("meta"))
		if err != nil || v == nil {
			return m, err
		}
		return decodeMeta(v)
	})
	if err != nil || m != (store.MetaInfo{}) {
		return m, err
	}
	return s.changeMeta(ctx, "make an identity", func(*store.MetaInfo) {})
}

// NewEpoch implements [store.Meta].
func (s *Store) NewEpoch(ctx context.Context) (store.MetaInfo, error) {
	return s.changeMeta(ctx, "make an epoch", func(m *store.MetaInfo) { m.Epoch = randomID() })
}

// changeMeta makes an identity if there is none, and lets change change it.
func (s *Store) changeMeta(ctx context.Context, verb string, change func(*store.MetaInfo)) (store.MetaInfo, error) {
	var m store.MetaInfo
	err := s.update(ctx, verb, func(w *write) error {
		w.mark(fenceOf(s, metaFence{}))
		v, err := get(w.reader(), selfKey("meta"))
		if err != nil {
			return err
		}
		m = store.MetaInfo{Cluster: randomID(), Epoch: randomID()}
		if v != nil {
			if m, err = decodeMeta(v); err != nil {
				return err
			}
		}
		old := m
		change(&m)
		if v != nil && m == old {
			return nil
		}
		return w.set(selfKey("meta"), appendMeta(nil, m))
	})
	if err != nil {
		return store.MetaInfo{}, err
	}
	return m, nil
}

// randomID may be part of a NATS subject.
func randomID() string { return strings.ToLower(rand.Text()) }
