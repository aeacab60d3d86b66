package pebblestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Devices implements [store.Devices].
func (s *Store) Devices(ctx context.Context, ns chat.NS, user chat.User) ([]store.DeviceInfo, error) {
	fences := []fence{fenceOf(s, userFence{ns, user})}
	return read(ctx, s, "read devices", fences, func() (out []store.DeviceInfo, err error) {
		prefix := deviceKey(ns, user, "")
		err = scan(s.db, prefix, after(prefix), func(k, v []byte) (bool, error) {
			seen, err := decodeSeen(v)
			out = append(out, store.DeviceInfo{Device: chat.Device(rest(k, prefix)), Seen: seen})
			return true, err
		})
		return out, err
	})
}

func decodeSeen(v []byte) (time.Time, error) {
	ms, n := binary.Varint(v)
	if n != len(v) {
		return time.Time{}, fmt.Errorf("when a device was seen: %w", errCorrupt)
	}
	return time.UnixMilli(ms).UTC(), nil
}

// TouchDevice implements [store.Devices].
func (s *Store) TouchDevice(ctx context.Context, ns chat.NS, user chat.User, d store.DeviceInfo) error {
	return s.update(ctx, "touch a device", func(w *write) error {
		if err := checkNames(string(ns), string(user), string(d.Device)); err != nil {
			return err
		}
		w.mark(fenceOf(s, userFence{ns, user}))
		key := deviceKey(ns, user, d.Device)
		v, err := get(w.reader(), key)
		if err != nil {
			return err
		}
		if v != nil {
			seen, err := decodeSeen(v)
			if err != nil || !d.Seen.Truncate(time.Millisecond).After(seen) {
				return err
			}
		}
		return w.set(key, appendTime(nil, d.Seen))
	})
}

// dropChunk is how many conversations one turn of DropDevice looks at.
const dropChunk = 500

// DropDevice implements [store.Devices]. It forgets the device itself last, so a
// repeated call finds what one that was interrupted has left.
func (s *Store) DropDevice(ctx context.Context, ns chat.NS, user chat.User, device chat.Device) error {
	for from, more := chat.ConvID(""), true; more; {
		err := s.update(ctx, "drop a device", func(w *write) error {
			keys, err := s.memberships(ns, user, from, dropChunk)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := w.dropRecv(key, user, device); err != nil {
					return err
				}
			}
			if more = len(keys) == dropChunk; more {
				from = keys[len(keys)-1].Conv
				return nil
			}
			w.mark(fenceOf(s, userFence{ns, user}))
			return w.changes().Delete(deviceKey(ns, user, device), nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *write) dropRecv(key chat.Key, user chat.User, device chat.Device) error {
	m, known, err := w.member(key, user)
	if err != nil || !known {
		return err
	}
	if _, there := m.Recv[device]; !there {
		return nil
	}
	delete(m.Recv, device)
	return w.putMember(&m, false)
}
