package mongostore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/parley-chat/parley/pkg/store"
)

// Inspection is what a deployment says of itself. See [Inspect].
type Inspection struct {
	SetName  string   // "": no replica set
	Sharded  bool     // behind mongos
	Members  []string // that hold data and may become primary
	Passives []string // that hold data and never become primary
	Arbiters []string

	Clock  time.Time     // the primary's, when half of Took had passed
	Asked  time.Time     // the same moment by this machine's clock
	Took   time.Duration // of asking: the clocks are compared no better than this
	Ignore []string      // options of the URI that the store does not follow

	Missing []string        // collections and indexes that are not there; a service makes them at its start
	Wrong   []string        // indexes that are there, and are not what they must be
	Meta    *store.MetaInfo // nil: no service has used the database yet
	Pods    []store.Pod     // that are registered
	PodsAt  time.Time       // the store's clock then
	Stage   string          // what was being done when it failed
}

// Inspect looks at a deployment and changes nothing, unlike [Open]. It reads with the
// concerns of a store. It blocks until that is done or ctx ends; with an error, what
// was found until then is in the Inspection.
func Inspect(ctx context.Context, o Options) (in Inspection, err error) {
	in.Ignore = ignored(o.URI)
	in.Stage = "connect"
	s, err := connect(&o)
	if err != nil {
		return in, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.inspectServer(ctx, &in); err != nil {
		return in, err
	}
	in.Stage = "list indexes"
	if err := s.inspectIndexes(ctx, &in); err != nil {
		return in, err
	}
	in.Stage = "read"
	meta, err := s.readMeta(ctx)
	switch {
	case err == nil:
		in.Meta = &meta
	case !errors.Is(err, mongo.ErrNoDocuments):
		return in, err
	}
	in.Pods, in.PodsAt, err = s.Pods(ctx)
	return in, err
}

// connect makes a store that has looked at nothing.
func connect(o *Options) (*Store, error) {
	red := newRedactor(o.URI)
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Database == "" {
		o.Database = databaseOf(o.URI)
	}
	client, err := mongo.Connect(clientOptions(*o))
	if err != nil {
		return nil, fmt.Errorf("reading the MongoDB URI: %w", red.clean(err))
	}
	s := &Store{client: client, redact: red}
	s.use(client.Database(o.Database))
	return s, nil
}

func (s *Store) inspectServer(ctx context.Context, in *Inspection) error {
	if err := s.Ping(ctx); err != nil { // so that no handshake is in the time that follows
		return err
	}
	begun := time.Now()
	h, err := s.hello(ctx)
	if err != nil {
		return err
	}
	in.Took = time.Since(begun)
	in.Asked, in.Clock = begun.Add(in.Took/2), h.LocalTime
	in.SetName, in.Sharded, in.Members, in.Passives, in.Arbiters = h.SetName, h.Msg == "isdbgrid", h.Hosts, h.Passives, h.Arbiters
	return nil
}

// inspectIndexes compares what is there with what must be there.
func (s *Store) inspectIndexes(ctx context.Context, in *Inspection) error {
	there, err := s.db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return s.fail("listing collections", err)
	}
	for _, c := range s.layout() {
		if !slices.Contains(there, c.Name()) {
			in.Missing = append(in.Missing, "collection "+c.Name())
			continue
		}
		if len(c.indexes) == 0 {
			continue
		}
		cursor, err := c.Indexes().List(ctx)
		if err != nil {
			return s.fail("listing the indexes of "+c.Name(), err)
		}
		var list []foundIndex
		if err := cursor.All(ctx, &list); err != nil {
			return s.fail("listing the indexes of "+c.Name(), err)
		}
		for _, x := range c.indexes {
			x.compare(c.Name(), list, in)
		}
	}
	return nil
}

// foundIndex is an index as the server lists it.
type foundIndex struct {
	Name    string `bson:"name"`
	Key     bson.D `bson:"key"`
	Unique  bool   `bson:"unique"`
	Sparse  bool   `bson:"sparse"`
	Partial bson.D `bson:"partialFilterExpression"`
}

func (x index) compare(collection string, list []foundIndex, in *Inspection) {
	name := fmt.Sprintf("index %s.{%s}", collection, strings.Join(x.keys, ", "))
	for _, f := range list {
		if !slices.EqualFunc(f.Key, x.keys, func(e bson.E, key string) bool { return e.Key == key && fmt.Sprint(e.Value) == "1" }) {
			continue
		}
		switch {
		case f.Unique != x.unique:
			in.Wrong = append(in.Wrong, fmt.Sprintf("%s is unique: %t, and must be: %t", name, f.Unique, x.unique))
		case f.Sparse || len(f.Partial) > 0:
			in.Wrong = append(in.Wrong, name+" covers only a part of the documents")
		}
		return
	}
	in.Missing = append(in.Missing, name)
}

// ignored are the options of a URI that would weaken the store's promises, and that it
// sets itself.
func ignored(uri string) (list []string) {
	_, query, _ := strings.Cut(uri, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil // the driver complains
	}
	for name := range values {
		switch strings.ToLower(name) {
		case "w", "journal", "wtimeoutms", "readconcernlevel", "readpreference", "readpreferencetags", "maxstalenessseconds":
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// TryWrite writes a document into the database that nobody reads, reads it back and
// removes it, all with the concerns of a store: majority, journaled. It returns how
// long the write took. The document is small and its name unique; if removing it
// fails, it stays and does no harm.
func TryWrite(ctx context.Context, o Options) (took time.Duration, err error) {
	s, err := connect(&o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Ping(ctx); err != nil {
		return 0, err
	}
	id := "doctor/" + newIdentity()
	begun := time.Now()
	if _, err := s.meta.InsertOne(ctx, byID(id)); err != nil {
		return 0, s.fail("writing", err)
	}
	took = time.Since(begun)
	if err := s.meta.FindOne(ctx, byID(id)).Err(); err != nil {
		return took, s.fail("reading what was written", err)
	}
	if _, err := s.meta.DeleteOne(ctx, byID(id)); err != nil {
		return took, s.fail("removing what was written", err)
	}
	return took, nil
}
