package memstore

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Devices implements [store.Devices].
func (s *Store) Devices(ctx context.Context, ns chat.NS, user chat.User) ([]store.DeviceInfo, error) {
	return read(ctx, s, Call{Op: OpDevices, User: user}, func() ([]store.DeviceInfo, error) {
		var out []store.DeviceInfo
		for d, seen := range s.devices[owner{ns, user}] {
			out = append(out, store.DeviceInfo{Device: d, Seen: seen})
		}
		return out, nil
	})
}

// TouchDevice implements [store.Devices].
func (s *Store) TouchDevice(ctx context.Context, ns chat.NS, user chat.User, d store.DeviceInfo) error {
	return exec(ctx, s, Call{Op: OpTouchDevice, User: user}, func() error {
		o := owner{ns, user}
		if s.devices[o] == nil {
			s.devices[o] = map[chat.Device]time.Time{}
		}
		if d.Seen.After(s.devices[o][d.Device]) {
			s.devices[o][d.Device] = d.Seen
		}
		return nil
	})
}

// DropDevice implements [store.Devices].
func (s *Store) DropDevice(ctx context.Context, ns chat.NS, user chat.User, device chat.Device) error {
	return exec(ctx, s, Call{Op: OpDropDevice, User: user}, func() error {
		o := owner{ns, user}
		delete(s.devices[o], device)
		for _, m := range s.members[o] {
			delete(m.Recv, device)
		}
		return nil
	})
}

// ReadJournal implements [store.Journal].
func (s *Store) ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error) {
	return read(ctx, s, Call{Op: OpReadJournal, Pod: pod}, func() ([]store.JournalDoc, error) {
		docs := s.journals[pod]
		var out []store.JournalDoc
		for _, n := range slices.Sorted(maps.Keys(docs)) {
			if n > after && len(out) < limit {
				out = append(out, cloneDoc(docs[n]))
			}
		}
		return out, nil
	})
}

// TrimJournal implements [store.Journal].
func (s *Store) TrimJournal(ctx context.Context, pod string, before uint64) error {
	return exec(ctx, s, Call{Op: OpTrimJournal, Pod: pod}, func() error {
		maps.DeleteFunc(s.journals[pod], func(n uint64, _ store.JournalDoc) bool { return n < before })
		return nil
	})
}

func cloneDoc(d store.JournalDoc) store.JournalDoc {
	d.Lines = slices.Clone(d.Lines)
	for i := range d.Lines {
		d.Lines[i].Users = slices.Clone(d.Lines[i].Users)
	}
	return d
}

// Register implements [store.Pods].
func (s *Store) Register(ctx context.Context, p store.Pod, lease time.Duration) error {
	return exec(ctx, s, Call{Op: OpRegister, Pod: p.ID}, func() error {
		now := s.now()
		if old, there := s.pods[p.ID]; there && !old.Until.After(now) {
			return store.ErrNotFound
		}
		p.Until = now.Add(lease)
		s.pods[p.ID] = p
		return nil
	})
}

// podList is what Pods reads.
type podList struct {
	pods []store.Pod
	now  time.Time
}

// Pods implements [store.Pods].
func (s *Store) Pods(ctx context.Context) ([]store.Pod, time.Time, error) {
	l, err := read(ctx, s, Call{Op: OpPods}, func() (podList, error) {
		return podList{slices.Collect(maps.Values(s.pods)), s.now()}, nil
	})
	return l.pods, l.now, err
}

// Forget implements [store.Pods].
func (s *Store) Forget(ctx context.Context, id string) error {
	return exec(ctx, s, Call{Op: OpForget, Pod: id}, func() error {
		delete(s.pods, id)
		delete(s.journals, id)
		return nil
	})
}

// Meta implements [store.Meta].
func (s *Store) Meta(ctx context.Context) (store.MetaInfo, error) {
	return read(ctx, s, Call{Op: OpMeta}, func() (store.MetaInfo, error) { return s.metaLocked(), nil })
}

// NewEpoch implements [store.Meta].
func (s *Store) NewEpoch(ctx context.Context) (store.MetaInfo, error) {
	return write(ctx, s, Call{Op: OpNewEpoch}, func() (store.MetaInfo, error) {
		s.metaLocked()
		s.meta.Epoch = rand.Text()
		return s.meta, nil
	})
}

// Ping implements [store.Meta].
func (s *Store) Ping(ctx context.Context) error {
	_, err := read(ctx, s, Call{Op: OpPing}, func() (struct{}, error) { return struct{}{}, nil })
	return err
}
