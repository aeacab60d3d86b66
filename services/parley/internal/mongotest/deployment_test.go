package mongotest_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// TestConcerns: no connection string weakens what the promises rest on.
func TestConcerns(t *testing.T) {
	server := embedded(t)
	var mu sync.Mutex
	var commands []bson.Raw
	_, uri := server.Proxy(t, wireproxy.Options{Observe: func(command bson.Raw) {
		mu.Lock()
		defer mu.Unlock()
		commands = append(commands, bytes.Clone(command))
	}})
	st := open(t, server, uri+"?w=1&journal=false&readConcernLevel=local&readPreference=secondaryPreferred")
	if err := st.Finish(t.Context(), effects(st, t)); err != nil {
		t.Fatal(err)
	}
	stateOf(t, st)
	if err := st.Register(t.Context(), store.Pod{ID: "p"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	writes, reads := 0, 0
	for _, c := range commands {
		switch first, _ := c.Elements(); first[0].Key() {
		case "insert", "update", "findAndModify":
			writes++
			// A driver leaves the time limit of a find to itself: it gives up, and the
			// server ends what nobody waits for.
			if _, err := c.LookupErr("maxTimeMS"); err != nil {
				t.Errorf("no time limit: %v", c)
			}
			if w, _ := c.Lookup("writeConcern", "w").StringValueOK(); w != "majority" || !c.Lookup("writeConcern", "j").Boolean() {
				t.Errorf("a write without majority and journal: %v", c)
			}
		case "find":
			reads++
			if level, _ := c.Lookup("readConcern", "level").StringValueOK(); level != "majority" {
				t.Errorf("a read without majority: %v", c)
			}
			if mode, ok := c.Lookup("$readPreference", "mode").StringValueOK(); ok && !strings.HasPrefix(mode, "primary") {
				t.Errorf("a read not from the primary: %v", c)
			}
		default:
			continue
		}
		if strict, _ := c.Lookup("apiStrict").BooleanOK(); !strict || c.Lookup("apiVersion").StringValue() != "1" {
			t.Errorf("not the strict Stable API: %v", c)
		}
	}
	if writes == 0 || reads == 0 {
		t.Errorf("saw %d writes and %d reads", writes, reads)
	}
}

// TestUserTextIsNoKey: text of users, dots and dollars included, comes back as it
// went in, and is nowhere a BSON key.
func TestUserTextIsNoKey(t *testing.T) {
	server := embedded(t)
	var mu sync.Mutex
	var keys []string
	var walk func(doc bson.Raw)
	walk = func(doc bson.Raw) {
		elements, err := doc.Elements()
		if err != nil {
			t.Error(err)
		}
		for _, e := range elements {
			keys = append(keys, e.Key())
			if sub, ok := e.Value().DocumentOK(); ok {
				walk(sub)
			} else if list, ok := e.Value().ArrayOK(); ok {
				walk(bson.Raw(list))
			}
		}
	}
	_, uri := server.Proxy(t, wireproxy.Options{Observe: func(command bson.Raw) {
		mu.Lock()
		defer mu.Unlock()
		walk(command)
	}})
	st := open(t, server, uri)
	const odd chat.User = "odd.user@example.org"
	key := group("keys")
	conv := chat.Conversation{Key: key, Kind: chat.Group}
	if err := st.Create(t.Context(), conv, []chat.Member{{Key: key, User: odd, Role: chat.RoleMember}}); err != nil {
		t.Fatal(err)
	}
	m := message(key, 1)
	m.From, m.Body = odd, []byte(`{"data":{"odd.key":1,"$set":{"role":"owner"},"text":"$unset"}}`)
	r := entry(key, 2, chat.KindReacted)
	r.From, r.Target, r.Emoji, r.On = odd, 1, "$odd.emoji", true
	title := entry(key, 3, chat.KindMembers)
	title.Change, title.Title = chat.ChangeRenamed, "$odd.title"
	b := store.Batch{Entries: []chat.Entry{m, r, title}}
	expect(t, st.Append(t.Context(), b), store.Stored, store.Stored, store.Stored)
	if err := st.Finish(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	moved, err := st.Advance(t.Context(), []store.Move{{Key: key, User: odd, Device: "dev-1_x", Recv: 1}})
	if err != nil || len(moved) != 1 || moved[0].User != odd || moved[0].Recv["dev-1_x"] != 1 {
		t.Errorf("advance: %+v, %v", moved, err)
	}
	for _, device := range []chat.Device{"", "a.b", "$set", "a\x00b", "ä"} {
		if _, err := st.Advance(t.Context(), []store.Move{{Key: key, User: odd, Device: device, Recv: 2}}); err == nil {
			t.Errorf("device %q became a key", device)
		}
		if err := st.DropDevice(t.Context(), chat.DefaultNS, odd, device); err == nil {
			t.Errorf("device %q became a key", device)
		}
		member := chat.Member{Key: key, User: "bob", Recv: map[chat.Device]chat.Seq{device: 1}}
		if err := st.Create(t.Context(), conv, []chat.Member{member}); err == nil {
			t.Errorf("device %q became a key", device)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, k := range keys {
		if strings.Contains(k, "odd") {
			t.Errorf("the key %q", k)
		}
	}
}

// TestWarnsOfStandalone: a server without replicas is taken, but not in silence.
func TestWarnsOfStandalone(t *testing.T) {
	server := embedded(t)
	var log bytes.Buffer
	st, err := mongostore.Open(t.Context(), mongostore.Options{
		URI: server.URI, Database: server.Database(t), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "standalone") {
		t.Errorf("log %q", log.String())
	}
}

// TestOpenAgain: what is there already is no error, for several pods at once too.
func TestOpenAgain(t *testing.T) {
	server := embedded(t)
	o := mongostore.Options{URI: server.URI, Database: server.Database(t), Logger: slog.New(slog.DiscardHandler)}
	infos := make([]store.MetaInfo, 4)
	var wg sync.WaitGroup
	for i := range infos {
		wg.Go(func() {
			st, err := mongostore.Open(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			if infos[i], err = st.Meta(t.Context()); err != nil {
				t.Error(err)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, m := range infos {
		if m != infos[0] || m.Cluster == "" || m.Epoch == "" {
			t.Errorf("identities %+v", infos)
		}
	}
}

// TestHidesCredentials: no error of a store that cannot be opened or has lost its
// server shows the password.
func TestHidesCredentials(t *testing.T) {
	const secret = "h%2Funt%40er2"
	server := embedded(t)
	proxy, uri := server.Proxy(t, wireproxy.Options{})
	host := strings.TrimPrefix(uri, "mongodb://")
	var log bytes.Buffer
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		for _, part := range []string{secret, "h/unt@er2", "h/unt", "er2"} {
			if strings.Contains(err.Error(), part) || strings.Contains(log.String(), part) {
				t.Errorf("%s: %v, log %q", what, err, log.String())
			}
		}
	}
	for what, uri := range map[string]string{
		"wrong password":     "mongodb://alice:" + secret + "@" + host,
		"unescaped password": "mongodb://alice:h/unt@er2@" + host,
		"bad escape":         "mongodb://alice:" + secret + "%zz@" + host,
		"no server":          "mongodb://alice:" + secret + "@127.0.0.1:1/",
		"bad scheme":         "mango://alice:" + secret + "@" + host,
		"bad option":         "mongodb://alice:" + secret + "@" + host + "?maxPoolSize=many",
		"option with secret": "mongodb://" + host + "?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:" + secret + ",x",
	} {
		st, err := mongostore.Open(t.Context(), mongostore.Options{
			URI: uri, Timeout: 300 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		check(what, err)
		if err == nil {
			st.Close()
		}
	}
	// A server that goes away after it was opened.
	st := open(t, server, uri)
	proxy.Inject(wireproxy.Fault{Command: "insert", Cut: true})
	check("lost server", st.Finish(t.Context(), store.Batch{Journal: store.JournalID{Pod: "p", Number: 1}}))
}

// TestSerialises: the embedded server's updates are atomic between connections,
// as MongoDB's are.
func TestSerialises(t *testing.T) {
	server := embedded(t)
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	c := client.Database(server.Database(t)).Collection("counters")
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}}); err != nil {
		t.Fatal(err)
	}
	const writers, times = 32, 5
	inc := bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range times {
				var err error
				if i%2 == 0 {
					_, err = c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 1}}, inc)
				} else {
					err = c.FindOneAndUpdate(t.Context(), bson.D{{Key: "_id", Value: 1}}, inc).Err()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var doc struct{ N int }
	if err := c.FindOne(t.Context(), bson.D{{Key: "_id", Value: 1}}).Decode(&doc); err != nil || doc.N != writers*times {
		t.Errorf("counted %d of %d, %v", doc.N, writers*times, err)
	}
}

// TestRefusesBeyondStable: what MongoDB would refuse of a strict client, the test
// server refuses.
func TestRefusesBeyondStable(t *testing.T) {
	api := options.ServerAPI(options.ServerAPIVersion1).SetStrict(true)
	server := embedded(t)
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI).SetServerAPIOptions(api))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	db := client.Database(server.Database(t))
	_, sparse := db.Collection("c").Indexes().CreateOne(t.Context(), mongo.IndexModel{
		Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetSparse(true),
	})
	for what, err := range map[string]error{
		"a command of no API": db.RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Err(),
		"a capped collection": db.CreateCollection(t.Context(), "capped", options.CreateCollection().SetCapped(true).SetSizeInBytes(1000)),
		"a sparse index":      sparse,
	} {
		var refused mongo.CommandError
		if !errors.As(err, &refused) || refused.Name != "APIStrictError" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestEndsOnSignal: SIGTERM ends the child cleanly, as a closed input does.
func TestEndsOnSignal(t *testing.T) {
	s, err := mongotest.OpenEmbedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Terminate(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
