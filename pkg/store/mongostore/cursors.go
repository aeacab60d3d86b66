package mongostore

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// errDevice refuses a device id of another form than a BSON key may have.
var errDevice = errors.New("not a device id")

// recvKey is the key of a device's position in a member document. It is the only
// BSON key that a client has a say in: the form of a device id has neither dots
// nor "$".
func recvKey(d chat.Device) (string, error) {
	if !d.Valid() {
		return "", fmt.Errorf("%w: %q", errDevice, string(d))
	}
	return "recv." + string(d), nil
}

// Advance implements [store.Cursors].
func (s *Store) Advance(ctx context.Context, moves []store.Move) ([]chat.Member, error) {
	var updates []mongo.WriteModel
	var ids []string
	seen := make(map[string]bool, len(moves))
	for _, m := range moves {
		id := memberID(m.Key, m.User)
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
		forward, err := forwardOf(m)
		if err != nil {
			return nil, s.fail("advancing positions", err)
		}
		if len(forward) > 0 {
			updates = append(updates, updateOne(byID(id), bson.D{{Key: "$max", Value: forward}}))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if err := s.update(ctx, s.members, updates); err != nil {
		return nil, s.fail("advancing positions", err)
	}
	return s.findMembers(ctx, anyOf(ids), options.Find())
}

// forwardOf is what a move makes larger. The count goes with the position: both
// only grow, so the larger count belongs to the larger position.
func forwardOf(m store.Move) (bson.D, error) {
	var d bson.D
	if m.Read > 0 {
		d = append(d, bson.E{Key: "read", Value: int64(m.Read)}, bson.E{Key: "read_n", Value: m.ReadCount})
		if at := reachedOf(m.Reached(chat.Reached{}, m.Read)); at != nil {
			d = append(d, bson.E{Key: "read_at", Value: at})
		}
	}
	if m.Recv != 0 {
		key, err := recvKey(m.Device)
		if err != nil {
			return nil, err
		}
		d = append(d, bson.E{Key: key, Value: int64(m.Recv)})
		if at := reachedOf(m.Reached(chat.Reached{}, m.Recv)); at != nil {
			d = append(d, bson.E{Key: "recv_at", Value: at})
		}
	}
	return d, nil
}

// Devices implements [store.Devices].
func (s *Store) Devices(ctx context.Context, ns chat.NS, user chat.User) ([]store.DeviceInfo, error) {
	filter := bson.D{{Key: "_id", Value: below(userID(ns, user))}}
	docs, err := find[deviceDoc](ctx, s.devices, filter, options.Find())
	if err != nil {
		return nil, s.fail("reading devices", err)
	}
	devices := make([]store.DeviceInfo, len(docs))
	for i, d := range docs {
		devices[i] = store.DeviceInfo{Device: chat.Device(lastPart(d.ID)), Seen: d.Seen.UTC()}
	}
	return devices, nil
}

// TouchDevice implements [store.Devices].
func (s *Store) TouchDevice(ctx context.Context, ns chat.NS, user chat.User, d store.DeviceInfo) error {
	touch := updateOne(byID(deviceID(ns, user, d.Device)),
		bson.D{{Key: "$max", Value: bson.D{{Key: "seen", Value: d.Seen}}}}).SetUpsert(true)
	if err := s.update(ctx, s.devices, []mongo.WriteModel{touch}); err != nil {
		return s.fail("touching a device", err)
	}
	return nil
}

// DropDevice implements [store.Devices]. The positions go first: while the
// device is listed, the drop can be repeated.
func (s *Store) DropDevice(ctx context.Context, ns chat.NS, user chat.User, device chat.Device) error {
	key, err := recvKey(device)
	if err != nil {
		return s.fail("dropping a device", err)
	}
	_, err = s.members.UpdateMany(ctx,
		bson.D{{Key: "nu", Value: userID(ns, user)}, exists(key, true)},
		bson.D{{Key: "$unset", Value: bson.D{{Key: key, Value: ""}}}})
	if err != nil {
		return s.fail("dropping a device's positions", err)
	}
	if _, err := s.devices.DeleteOne(ctx, byID(deviceID(ns, user, device))); err != nil {
		return s.fail("dropping a device", err)
	}
	return nil
}
