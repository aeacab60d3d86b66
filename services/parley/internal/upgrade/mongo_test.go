package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
)

// What versions 1 and 2 of the documents look like: a line each, the collection and the
// document as canonical extended JSON.
const (
	documents  = "testdata/documents-1.jsonl"
	documents2 = "testdata/documents-2.jsonl"
)

// writeEnv makes the tests write testdata, which is done once for a new file.
const writeEnv = "PARLEY_WRITE_UPGRADE"

var collections = []string{"messages", "reactions", "edits", "conversations", "members", "devices", "attachments", "journal", "pods", "meta", "blocks", "profiles"}

// ofTheRun are fields that differ in every run: only their types are compared.
var ofTheRun = map[string][]string{"journal": {"t"}, "pods": {"until"}, "meta": {"cluster", "epoch"}}

// mongoStore opens a store in an empty server, and the same database bare.
func mongoStore(t *testing.T) (*mongostore.Store, *mongo.Database) {
	t.Helper()
	server, err := mongotest.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	st, err := mongostore.Open(t.Context(), mongostore.Options{URI: server.URI, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI).SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, client.Database(mongostore.DefaultDatabase)
}

type document struct {
	collection string
	bson.Raw
}

func (d document) id() string { return d.Lookup("_id").StringValue() }

// dump is all documents of a database.
func dump(t *testing.T, db *mongo.Database) (list []document) {
	t.Helper()
	for _, name := range collections {
		cursor, err := db.Collection(name).Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.Raw
		if err := cursor.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			list = append(list, document{name, d})
		}
	}
	return list
}

// golden is the documents that a version wrote.
func golden(t *testing.T, documents string) (list []document) {
	t.Helper()
	data, err := os.ReadFile(documents)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		var d bson.Raw
		if err := bson.UnmarshalExtJSON([]byte(text), true, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list = append(list, document{name, d})
	}
	return list
}

// What version 1 wrote, this version reads as it reads its own.
func TestReadsDocumentsOfVersion1(t *testing.T) { readsDocuments(t, documents, script) }

// And what version 2 wrote.
func TestReadsDocumentsOfVersion2(t *testing.T) { readsDocuments(t, documents2, script2) }

func readsDocuments(t *testing.T, file string, script func(*testing.T, store.Store)) {
	t.Helper()
	st, _ := mongoStore(t)
	script(t, st)
	old, db := mongoStore(t)
	for _, d := range golden(t, file) {
		if _, err := db.Collection(d.collection).InsertOne(t.Context(), d.Raw); err != nil {
			t.Fatal(err)
		}
	}
	if want, got := reads(t, st), reads(t, old); got != want {
		t.Errorf("%s: it reads\n%s\nand of its own\n%s", file, got, want)
	}
}

// What this version writes, version 1 can read: it finds every field that it knows,
// with the value and the type that it knows. More fields are no harm.
func TestWritesWhatVersion1Reads(t *testing.T) { writesDocuments(t, documents, script) }

// And what version 2 can.
func TestWritesWhatVersion2Reads(t *testing.T) { writesDocuments(t, documents2, script2) }

func writesDocuments(t *testing.T, file string, script func(*testing.T, store.Store)) {
	t.Helper()
	st, db := mongoStore(t)
	script(t, st)
	if _, err := st.Meta(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := dump(t, db)
	if os.Getenv(writeEnv) != "" {
		write(t, now, file)
	}
	byID := make(map[string]document)
	for _, d := range now {
		byID[d.collection+" "+d.id()] = d
	}
	for _, was := range golden(t, file) {
		is, ok := byID[was.collection+" "+was.id()]
		if !ok {
			t.Errorf("there is no %s in %s any more: version 1 looks for it", was.id(), was.collection)
			continue
		}
		compare(t, was, is)
	}
}

func compare(t *testing.T, was, is document) {
	t.Helper()
	lacks(t, was.id()+" of "+was.collection, was.Raw, is.Raw, ofTheRun[was.collection])
}

// lacks tells of every field that a document had and has no more, or otherwise.
func lacks(t *testing.T, where string, was, is bson.Raw, loose []string) {
	t.Helper()
	elements, err := was.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		before := e.Value()
		value, err := is.LookupErr(e.Key())
		inner, nested := before.DocumentOK()
		switch {
		case err != nil:
			t.Errorf("%s has no %q any more: version 1 needs it", where, e.Key())
		case value.Type != before.Type:
			t.Errorf("%q in %s is of another type: %s, and was %s", e.Key(), where, value.Type, before.Type)
		case nested:
			lacks(t, e.Key()+" in "+where, inner, value.Document(), nil)
		case !slices.Contains(loose, e.Key()) && !value.Equal(before):
			t.Errorf("%q in %s is %s, and was %s", e.Key(), where, value, before)
		}
	}
}

func write(t *testing.T, list []document, documents string) {
	t.Helper()
	var b bytes.Buffer
	for _, d := range list {
		text, err := bson.MarshalExtJSON(d.Raw, true, false)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(d.collection + " " + string(text) + "\n")
	}
	if err := os.MkdirAll(filepath.Dir(documents), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(documents, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
