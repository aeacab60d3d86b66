// Package mongostore keeps Parley's data in MongoDB (5.0 or later, a replica
// set or a sharded cluster): the store of every deployment but the all-in-one
// binary's. It implements [store.Store], whose comments are the contract; how
// the documents look is in codec.go.
//
// What keeps the promises is set here and not in the URI, so that no connection
// string can weaken it: write concern majority with journal, read concern
// majority from the primary, a timeout on every operation, and Stable API version
// 1, strict. A fold is one update of one document that says itself whether it is
// too late (a filter or $max), so there are no transactions, and none of what
// FerretDB version 1, the server of the tests, lacks: change streams, partial and
// TTL indexes, $lookup, pipelines in updates, array filters.
//
// What majority reads cannot give is freshness: for as long as a deposed primary
// has not noticed, or a new one has not committed anything yet, a read may miss
// what was confirmed a moment ago. It never shows what may be rolled back. The
// unique indexes decide where a stale tail would do harm, and one read is
// linearizable: that on which a final refusal rests.
//
// Nothing that a user can name becomes a BSON key, but for device ids, which
// are checked first. A body is kept as the string that it came as.
package mongostore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/parley-chat/parley/pkg/store"
)

// Options say where the data is.
type Options struct {
	// URI is a connection string, mongodb:// or mongodb+srv://. It may contain a
	// password: show it only through [Redact]. Required.
	URI string
	// Database is the name of the database. Default: the one in the URI's path,
	// else "parley".
	Database string
	// Timeout bounds an operation whose context has no deadline. Default: 10 s.
	Timeout time.Duration
	// Logger gets warnings about the deployment. Default: slog.Default().
	Logger *slog.Logger
}

// Defaults of [Options].
const (
	DefaultDatabase = "parley"
	DefaultTimeout  = 10 * time.Second
)

// closeTimeout is how long Close waits for operations under way.
const closeTimeout = 5 * time.Second

// ErrArbiter refuses a replica set that has arbiters: with one data-bearing
// member away such a set still elects a primary, but its majority can neither
// confirm a write nor show one.
var ErrArbiter = errors.New("the replica set has arbiters")

// Store is a [store.Store] in MongoDB. It is safe for concurrent use.
type Store struct {
	client *mongo.Client
	db     *mongo.Database
	redact redactor

	messages, reactions, edits, conversations, members *mongo.Collection
	devices, attachments, journal, pods, meta          *mongo.Collection
	blocks, profiles, jobs, revocations                *mongo.Collection
}

var _ store.Store = (*Store)(nil)

// Open connects, looks at the deployment, and makes collections and indexes that
// are missing. It blocks until the server has answered or ctx ends. Its errors
// wrap [ErrArbiter] or what the driver said; none shows a credential.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s, err := connect(&o)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, o.Logger); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func clientOptions(o Options) *options.ClientOptions {
	journaled := true
	api := options.ServerAPI(options.ServerAPIVersion1).SetStrict(true).SetDeprecationErrors(true)
	return options.Client().ApplyURI(o.URI).
		SetAppName("parley").
		SetServerAPIOptions(api).
		SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journaled}).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetTimeout(o.Timeout).
		SetConnectTimeout(o.Timeout).
		SetServerSelectionTimeout(o.Timeout)
}

func (s *Store) use(db *mongo.Database) {
	s.db = db
	s.messages = db.Collection("messages")
	s.reactions = db.Collection("reactions")
	s.edits = db.Collection("edits")
	s.conversations = db.Collection("conversations")
	s.members = db.Collection("members")
	s.devices = db.Collection("devices")
	s.blocks = db.Collection("blocks")
	s.profiles = db.Collection("profiles")
	s.revocations = db.Collection("revocations")
	s.attachments = db.Collection("attachments")
	s.jobs = db.Collection("jobs")
	s.journal = db.Collection("journal")
	s.pods = db.Collection("pods")
	s.meta = db.Collection("meta")
}

// Close ends all operations and connections. It blocks for at most 5 s.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil {
		return s.fail("disconnecting", err)
	}
	return nil
}

// fail wraps an error of the driver with what was being done.
func (s *Store) fail(doing string, err error) error {
	return fmt.Errorf("%s: %w", doing, s.redact.clean(err))
}

func (s *Store) prepare(ctx context.Context, log *slog.Logger) error {
	h, err := s.hello(ctx)
	if err != nil {
		return err
	}
	warning, err := h.check()
	if err != nil {
		return err
	}
	if warning != "" {
		log.WarnContext(ctx, warning)
	}
	return s.makeIndexes(ctx)
}

// hello is what a server says of itself and its replica set.
type hello struct {
	SetName   string    `bson:"setName"`
	Msg       string    `bson:"msg"` // "isdbgrid" from mongos
	Hosts     []string  `bson:"hosts"`
	Passives  []string  `bson:"passives"`
	Arbiters  []string  `bson:"arbiters"`
	LocalTime time.Time `bson:"localTime"`
}

// check says what is wrong with the deployment: an error is for good.
func (h hello) check() (warning string, err error) {
	if len(h.Arbiters) > 0 {
		return "", fmt.Errorf("replica set %q: %w", h.SetName, ErrArbiter)
	}
	if h.SetName == "" && h.Msg != "isdbgrid" {
		return "MongoDB is a standalone server: what it has confirmed is lost with its disk; use a replica set", nil
	}
	return "", nil
}

// hello asks the primary. It is also where the store's clock comes from: every
// MongoDB-wire server answers localTime, in milliseconds.
func (s *Store) hello(ctx context.Context) (hello, error) {
	var h hello
	if err := s.db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h); err != nil {
		return h, s.fail("asking the server who it is", err)
	}
	return h, nil
}

// codeNamespaceExists is the server's answer to creating what is there.
const codeNamespaceExists = 48

// layout is every collection of the store, with its indexes beside _id. None is
// sparse: Stable API 1 has no such index.
func (s *Store) layout() []collection {
	return []collection{
		{s.messages, []index{{keys: []string{"c", "f", "k"}, unique: true}}},
		{s.edits, []index{{keys: []string{"m"}}}},
		{s.members, []index{{keys: []string{"nu", "c"}}}},
		{s.reactions, []index{{keys: []string{"m"}}}},
		{s.conversations, nil},
		{s.devices, nil},
		{s.blocks, nil},
		{s.profiles, nil},
		{s.revocations, []index{{keys: []string{"at"}}, {keys: []string{"r.u"}}}},
		{s.attachments, []index{{keys: []string{"due"}}, {keys: []string{"uses"}}}},
		{s.jobs, []index{{keys: []string{"k", "st", "due", "_id"}}}},
		{s.journal, nil},
		{s.pods, nil},
		{s.meta, nil},
	}
}

type collection struct {
	*mongo.Collection
	indexes []index
}

// index is an ascending one.
type index struct {
	keys   []string
	unique bool
}

// makeIndexes creates all collections, so that no first write does it, and their
// indexes.
func (s *Store) makeIndexes(ctx context.Context) error {
	for _, c := range s.layout() {
		var command mongo.CommandError
		err := s.db.CreateCollection(ctx, c.Name())
		if err != nil && !(errors.As(err, &command) && command.Code == codeNamespaceExists) {
			return s.fail("creating collection "+c.Name(), err)
		}
		for _, x := range c.indexes { // one by one: FerretDB breaks where several are there already
			model := mongo.IndexModel{Keys: ascending(x.keys...)}
			if x.unique {
				model.Options = options.Index().SetUnique(true)
			}
			if _, err := c.Indexes().CreateOne(ctx, model); err != nil {
				return s.fail("creating an index of "+c.Name(), err)
			}
		}
	}
	return nil
}

func ascending(keys ...string) bson.D {
	d := make(bson.D, len(keys))
	for i, k := range keys {
		d[i] = bson.E{Key: k, Value: 1}
	}
	return d
}
