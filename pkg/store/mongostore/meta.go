package mongostore

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/store"
)

// metaID is the key of the one document.
const metaID = "meta"

// newIdentity makes a cluster or epoch id: lower case, because a NATS subject
// begins with it.
func newIdentity() string { return strings.ToLower(rand.Text()) }

// Meta implements [store.Meta].
func (s *Store) Meta(ctx context.Context) (store.MetaInfo, error) {
	m, err := s.readMeta(ctx)
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return m, err
	}
	d := metaDoc{ID: metaID, Cluster: newIdentity(), Epoch: newIdentity()}
	// Another pod may be first. Once refused, its document is confirmed too, so
	// the second look finds it.
	if _, err := insertMissing(ctx, s.meta, []metaDoc{d}); err != nil {
		return store.MetaInfo{}, s.fail("making the identity", err)
	}
	return s.readMeta(ctx)
}

func (s *Store) readMeta(ctx context.Context) (store.MetaInfo, error) {
	var d metaDoc
	if err := s.meta.FindOne(ctx, byID(metaID)).Decode(&d); err != nil {
		return store.MetaInfo{}, s.fail("reading the identity", err)
	}
	return store.MetaInfo{Cluster: d.Cluster, Epoch: d.Epoch}, nil
}

// NewEpoch implements [store.Meta].
func (s *Store) NewEpoch(ctx context.Context) (store.MetaInfo, error) {
	if _, err := s.Meta(ctx); err != nil { // there may be none yet
		return store.MetaInfo{}, err
	}
	var d metaDoc
	err := s.meta.FindOneAndUpdate(ctx, byID(metaID),
		bson.D{{Key: "$set", Value: bson.D{{Key: "epoch", Value: newIdentity()}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
	if err != nil {
		return store.MetaInfo{}, s.fail("replacing the epoch", err)
	}
	return store.MetaInfo{Cluster: d.Cluster, Epoch: d.Epoch}, nil
}

// Ping implements [store.Meta].
func (s *Store) Ping(ctx context.Context) error {
	if err := s.client.Ping(ctx, nil); err != nil {
		return s.fail("pinging", err)
	}
	return nil
}
