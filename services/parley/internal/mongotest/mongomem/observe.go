package mongomem

import "slices"

// Command is what one command did to a collection.
type Command struct {
	Name       string // find, insert, update, delete, findAndModify, …
	Collection string
	// Indexes that documents were looked up by, each once; [Scan] stands for none.
	Indexes  []string
	Examined int // documents that were held against a filter
	Written  int // documents that were inserted, replaced or removed
}

// Scan is the "index" of a command that walks a whole collection.
const Scan = "(scan)"

// usage is what the present command has done to a collection so far.
type usage struct {
	indexes           []string
	examined, written int
}

func (u *usage) index(name string) {
	if !slices.Contains(u.indexes, name) {
		u.indexes = append(u.indexes, name)
	}
}

// primary notes a walk in the order of _id: within bounds, or over everything.
func (u *usage) primary(b bounds) {
	if b.in == nil && b.lo == "" && b.hi == "" {
		u.index(Scan)
		return
	}
	u.index("_id")
}

func (u *usage) command(name, collection string) Command {
	return Command{Name: name, Collection: collection, Indexes: u.indexes, Examined: u.examined, Written: u.written}
}
