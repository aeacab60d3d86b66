package mongomem

// Snapshot is the data of a moment, as a backup has it.
type Snapshot struct{ collections map[string]*collection }

// Snapshot copies all data; that is cheap, and blocks commands for as long.
func (s *Server) Snapshot() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Snapshot{copyAll(s.collections)}
}

// Restore replaces all data by those of a snapshot, which can be restored again.
func (s *Server) Restore(from *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collections = copyAll(from.collections)
}

// copyAll copies collections. Documents are replaced and never changed, so they are
// shared.
func copyAll(all map[string]*collection) map[string]*collection {
	copies := make(map[string]*collection, len(all))
	for name, c := range all {
		d := &collection{name: c.name, short: c.short, docs: *c.docs.Copy()}
		for _, x := range c.indexes {
			d.indexes = append(d.indexes, &index{name: x.name, fields: x.fields, unique: x.unique, ids: *x.ids.Copy()})
		}
		copies[name] = d
	}
	return copies
}
