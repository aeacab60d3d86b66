package mongomem

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Command is what one command did to a collection.
type Command struct {
	Name       string // find, insert, update, delete, findAndModify, …
	Collection string
	// Indexes that documents were looked up by, each once; [Scan] stands for none.
	Indexes  []string
	Keys     int // keys of these indexes, the primary one's too
	Examined int // documents that were held against a filter
	Sorted   int // documents that were sorted in memory
	Written  int // documents that were inserted, replaced or removed
	Got      int // bytes of the command as it came
	Sent     int // bytes of the answer
	// MaxTime is the time that the client allows; 0: it names none.
	MaxTime time.Duration
}

// Scan is the "index" of a command that walks a whole collection.
const Scan = "(scan)"

// usage is what the present command has done to a collection so far.
type usage struct {
	indexes                         []string
	keys, examined, sorted, written int
}

func (u *usage) index(name string) {
	if !slices.Contains(u.indexes, name) {
		u.indexes = append(u.indexes, name)
	}
}

// primary notes a walk in the order of _id: within bounds, or over everything.
func (u *usage) primary(spans []span) {
	if len(spans) == 1 && spans[0] == (span{}) {
		u.index(Scan)
		return
	}
	u.index("_id")
}

func (u *usage) command(name, collection string, req *request) *Command {
	c := &Command{Name: name, Collection: collection, Indexes: u.indexes,
		Keys: u.keys, Examined: u.examined, Sorted: u.sorted, Written: u.written, Got: req.size}
	if ms, ok := req.Lookup("maxTimeMS").AsInt64OK(); ok {
		c.MaxTime = time.Duration(ms) * time.Millisecond
	}
	return c
}

// Size is how much is in collections.
type Size struct {
	Documents, Bytes int // documents, and their BSON
	// Keys of the indexes beside the primary one, and their bytes: those of MongoDB's
	// key strings, before its storage engine leaves out what neighbours share.
	Keys, KeyBytes int
}

// Size measures the collections that a function names, of all databases.
func (s *Server) Size(of func(collection string) bool) (n Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.collections {
		if !of(c.short) {
			continue
		}
		c.docs.Scan(func(_ string, doc bson.Raw) bool {
			n.Documents++
			n.Bytes += len(doc)
			return true
		})
		for _, x := range c.indexes {
			x.ids.Scan(func(key, id string) bool {
				n.Keys++
				n.KeyBytes += len(key) - len(id)
				return true
			})
		}
	}
	return n
}
