package mongostore

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// revocationDoc is a document of the collection revocations; its key is tenant,
// kind, name.
type revocationDoc struct {
	ID      string         `bson:"_id"`
	Part    revocationPart `bson:"r"`
	Changed time.Time      `bson:"at"`
	// Ends is the latest Until of a RevokedUser, or never: it moves by a $max of its own.
	// What older builds wrote has none.
	Ends *time.Time `bson:"u,omitempty"`
}

// never is the Until of what never ends, where it is compared.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// until is the end of what is kept.
func (d *revocationDoc) until() time.Time {
	until := timeOr(d.Part.Until)
	if d.Ends == nil {
		return until
	}
	if d.Ends.Equal(never) {
		return time.Time{}
	}
	return store.LaterEnd(until, d.Ends.UTC())
}

// revocationPart moves by $max, see social.go.
type revocationPart struct {
	Version int64      `bson:"v"`
	On      bool       `bson:"on"`
	Before  *time.Time `bson:"b,omitempty"`
	Until   *time.Time `bson:"u,omitempty"`
}

func revocationID(r store.Revocation) string {
	return string(r.NS) + "/" + string(r.Kind) + "/" + r.Name
}

func (d *revocationDoc) revocation() store.Revocation {
	ns, rest, _ := strings.Cut(d.ID, "/")
	kind, name, _ := strings.Cut(rest, "/")
	return store.Revocation{NS: chat.NS(ns), Kind: store.RevocationKind(kind), Name: name, Version: d.Part.Version,
		On: d.Part.On, Before: timeOr(d.Part.Before), Until: d.until(), Changed: d.Changed.UTC()}
}

// timeOf leaves a zero time out of a document.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOr(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// PutRevocation implements [store.Revocations]. The time is the primary's, asked for
// before the write: whoever reads looks back by more than that.
func (s *Store) PutRevocation(ctx context.Context, r store.Revocation) (store.Revocation, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return store.Revocation{}, err
	}
	part := revocationPart{Version: r.Version, On: r.On, Before: timeOf(r.Before), Until: timeOf(r.Until)}
	moves := bson.D{{Key: "r", Value: part}, {Key: "at", Value: h.LocalTime}}
	if r.Kind == store.RevokedUser {
		end := r.Until
		if end.IsZero() {
			end = never
		}
		moves = append(moves, bson.E{Key: "u", Value: end})
	}
	change := bson.D{{Key: "$max", Value: moves}}
	id := revocationID(r)
	if err := s.update(ctx, s.revocations, []mongo.WriteModel{updateOne(byID(id), change).SetUpsert(true)}); err != nil {
		return store.Revocation{}, s.fail("writing a revocation", err)
	}
	docs, err := find[revocationDoc](ctx, s.revocations, byID(id), options.Find())
	switch {
	case err != nil:
		return store.Revocation{}, s.fail("reading a revocation", err)
	case len(docs) == 0:
		return store.Revocation{}, s.fail("reading a revocation", store.ErrNotFound)
	}
	return docs[0].revocation(), nil
}

// Revocations implements [store.Revocations].
func (s *Store) Revocations(ctx context.Context, since time.Time) ([]store.Revocation, error) {
	filter := bson.D{}
	if !since.IsZero() {
		filter = bson.D{{Key: "at", Value: bson.D{{Key: "$gte", Value: since}}}}
	}
	docs, err := find[revocationDoc](ctx, s.revocations, filter, options.Find())
	if err != nil {
		return nil, s.fail("reading revocations", err)
	}
	out := make([]store.Revocation, len(docs))
	for i := range docs {
		out[i] = docs[i].revocation()
	}
	return out, nil
}

// DropRevocations implements [store.Revocations]. The index finds what may have ended.
func (s *Store) DropRevocations(ctx context.Context, ended time.Time) error {
	before := bson.D{{Key: "$lt", Value: ended}}
	filter := bson.D{{Key: "r.u", Value: before}, {Key: "$or", Value: bson.A{bson.D{exists("u", false)}, bson.D{{Key: "u", Value: before}}}}}
	if _, err := s.revocations.DeleteMany(ctx, filter); err != nil {
		return s.fail("removing revocations", err)
	}
	return nil
}
