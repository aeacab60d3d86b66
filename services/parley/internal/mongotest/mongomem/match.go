package mongomem

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// plan is what a question asks for beside its filter.
type plan struct {
	sort  string // a field; "": the order of the index that is used
	then  string // another field, for what is equal by the first; "": none
	desc  bool
	skip  int
	limit int      // 0: none
	hint  []string // fields of the index to use; nil: the server chooses
	// project are the fields that are asked for, where no others are.
	project []string
}

func (c *collection) find(req *request) (bson.D, error) {
	p, err := planOf(req)
	if err != nil {
		return nil, err
	}
	filter, _ := req.Lookup("filter").DocumentOK()
	found, err := c.match(filter, p)
	if err != nil {
		return nil, err
	}
	projection, _ := req.Lookup("projection").DocumentOK()
	batch := make(bson.A, len(found))
	for i, doc := range found {
		if batch[i], err = project(doc, projection); err != nil {
			return nil, err
		}
	}
	return cursorOf(c.name, batch), nil
}

// cursorOf is an answer with all documents at once.
func cursorOf(collection string, batch bson.A) bson.D {
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: collection}, {Key: "firstBatch", Value: batch},
	}}}
}

func planOf(req *request) (p plan, err error) {
	if sort, ok := req.Lookup("sort").DocumentOK(); ok {
		elements, err := sort.Elements()
		if err != nil || len(elements) == 0 || len(elements) > 2 {
			return p, refuse(codeBadValue, "this server sorts by one field, or two")
		}
		p.sort = elements[0].Key()
		p.desc = elements[0].Value().AsInt64() < 0
		if len(elements) == 2 {
			if p.then = elements[1].Key(); elements[1].Value().AsInt64() < 0 != p.desc {
				return p, refuse(codeBadValue, "this server sorts by two fields in one direction")
			}
		}
	}
	if n, ok := req.Lookup("limit").AsInt64OK(); ok {
		p.limit = int(n)
	}
	if n, ok := req.Lookup("skip").AsInt64OK(); ok {
		p.skip = int(n)
	}
	if hint := req.Lookup("hint"); !hint.IsZero() {
		if p.hint, err = fieldsOf(hint); err != nil {
			return p, err
		}
	}
	if fields, ok := req.Lookup("projection").DocumentOK(); ok {
		elements, err := fields.Elements()
		if err != nil {
			return p, err //nolint:wrapcheck // told as it is
		}
		for _, e := range elements {
			if n, ok := e.Value().AsInt64OK(); ok && n != 0 {
				p.project = append(p.project, e.Key())
			}
		}
		if n, ok := fields.Lookup("_id").AsInt64OK(); !ok || n != 0 {
			p.project = append(p.project, "_id")
		}
	}
	return p, nil
}

// way is how a question is answered: by an index, or the primary one where that is
// nil, within spans.
type way struct {
	index   *index
	spans   []span
	points  int  // fields with single values
	covered bool // the index has everything that is asked for: no document is read
	whole   bool // the filter names single _ids and nothing else
}

// sorts reports whether a walk is in the order of a field, and whether it merges
// spans for that: the field must come behind those with single values, or be one of
// them that has one value.
func (w *way) sorts(field string) (ordered, merged bool) {
	switch {
	case field == "":
		return true, false
	case w.index == nil:
		return field == "_id", false
	case w.points < len(w.index.fields) && w.index.fields[w.points] == field:
		return len(w.spans) <= maxMerged, len(w.spans) > 1
	}
	i := slices.Index(w.index.fields[:w.points], field)
	return i == 0 || i > 0 && len(w.spans) == 1, false
}

// match finds the documents that a filter selects. Spans only narrow where it
// looks: every document is held against the whole filter.
func (c *collection) match(filter bson.Raw, p plan) (found []bson.Raw, err error) {
	if filter == nil {
		filter = bson.Raw{5, 0, 0, 0, 0}
	}
	w, err := c.choose(filter, p)
	if err != nil {
		return nil, err
	}
	ordered, merged := w.sorts(p.sort)
	ordered = ordered && p.then == ""
	most := p.skip + p.limit
	take := func(doc bson.Raw) bool {
		ok := w.covered || w.whole
		if !w.covered {
			c.used.examined++
		}
		if !ok {
			if ok, err = matches(doc, filter); err != nil {
				return false
			}
		}
		if ok {
			found = append(found, doc)
		}
		return !ordered || p.limit == 0 || len(found) < most
	}
	if w.index == nil {
		c.used.primary(w.spans)
		walk(&c.docs, w.spans, p.desc && ordered, false, func(_ string, doc bson.Raw) bool {
			c.used.keys++
			return take(doc)
		})
	} else {
		c.used.index(w.index.name)
		seen := map[string]bool{} // a document with an array is there under each of its values
		walk(&w.index.ids, w.spans, p.desc && ordered, merged, func(_, id string) bool {
			c.used.keys++
			if seen[id] {
				return true
			}
			seen[id] = true
			doc, _ := c.docs.Get(id)
			return take(doc)
		})
	}
	if err != nil {
		return nil, err
	}
	if !ordered {
		c.used.sorted += len(found)
		slices.SortStableFunc(found, func(a, b bson.Raw) int {
			n := compare(lookup(a, p.sort), lookup(b, p.sort))
			if n == 0 && p.then != "" {
				n = compare(lookup(a, p.then), lookup(b, p.then))
			}
			if p.desc {
				return -n
			}
			return n
		})
		if p.limit > 0 {
			found = found[:min(len(found), most)]
		}
	}
	return found[min(p.skip, len(found)):], nil
}

// choose picks the index that a hint names; else the primary one where the filter
// bounds _id, else the one whose fields are bounded the furthest, else all documents.
func (c *collection) choose(filter bson.Raw, p plan) (w way, err error) {
	if p.hint != nil && !slices.Equal(p.hint, []string{"_id"}) {
		i := slices.IndexFunc(c.indexes, func(x *index) bool { return slices.Equal(x.fields, p.hint) })
		if i < 0 {
			return w, refuse(codeBadValue, "hint provided does not correspond to an existing index")
		}
		w, _ = c.indexes[i].way(filter, p)
		return w, nil
	}
	if spans, points, ok := spansOf(filter, "_id"); ok {
		_, more := filter.IndexErr(1)
		return way{spans: spans, whole: points && more != nil}, nil
	}
	w.spans = []span{{}}
	longest := 0
	for _, x := range c.indexes {
		if found, n := x.way(filter, p); n > longest && p.hint == nil {
			w, longest = found, n
		}
	}
	return w, nil
}

// way is how an index answers, and how many of its fields are bounded.
func (x *index) way(filter bson.Raw, p plan) (way, int) {
	spans, points, fields := x.spans(filter)
	w := way{index: x, spans: spans, points: points, covered: p.project != nil}
	for _, f := range p.project {
		w.covered = w.covered && slices.Contains(x.fields, f)
	}
	elements, _ := filter.Elements()
	for _, e := range elements {
		i := slices.Index(x.fields, e.Key())
		ops, isDoc := e.Value().DocumentOK()
		w.covered = w.covered && i >= 0 && i < fields && !(isDoc && isOperators(ops) && !ops.Lookup("$all").IsZero())
	}
	return w, fields
}

// lookup is the value at a dotted path; a zero value where there is none.
func lookup(doc bson.Raw, path string) bson.RawValue {
	return doc.Lookup(strings.Split(path, ".")...)
}

// matches holds a document against a filter.
func matches(doc, filter bson.Raw) (bool, error) {
	elements, err := filter.Elements()
	if err != nil {
		return false, err //nolint:wrapcheck // told as it is
	}
	for _, e := range elements {
		ok, err := matchesOne(doc, e.Key(), e.Value())
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func matchesOne(doc bson.Raw, field string, want bson.RawValue) (bool, error) {
	if field == "$or" || field == "$and" {
		array, _ := want.ArrayOK()
		branches, err := array.Values()
		if err != nil {
			return false, err //nolint:wrapcheck // told as it is
		}
		for _, b := range branches {
			ok, err := matches(doc, b.Document())
			if err != nil || ok == (field == "$or") {
				return ok, err
			}
		}
		return field == "$and", nil
	}
	if strings.HasPrefix(field, "$") {
		return false, refuse(codeBadValue, "this server does not know %s", field)
	}
	have := lookup(doc, field)
	ops, isDoc := want.DocumentOK()
	if !isDoc || !isOperators(ops) {
		return equal(have, want), nil
	}
	return satisfies(have, ops)
}

func isOperators(d bson.Raw) bool {
	first, err := d.IndexErr(0)
	return err == nil && strings.HasPrefix(first.Key(), "$")
}

// satisfies holds a value against operators. Values of different types do not
// compare, as in MongoDB; the zero value is a field that is missing.
func satisfies(have bson.RawValue, ops bson.Raw) (bool, error) {
	elements, err := ops.Elements()
	if err != nil {
		return false, err //nolint:wrapcheck // told as it is
	}
	for _, e := range elements {
		want := e.Value()
		ok := true
		switch e.Key() {
		case "$gt":
			ok = comparable(have, want) && compare(have, want) > 0
		case "$gte":
			ok = comparable(have, want) && compare(have, want) >= 0
		case "$lt":
			ok = comparable(have, want) && compare(have, want) < 0
		case "$lte":
			ok = comparable(have, want) && compare(have, want) <= 0
		case "$eq":
			ok = equal(have, want)
		case "$ne":
			ok = !equal(have, want)
		case "$exists":
			ok = !have.IsZero() == want.Boolean()
		case "$in", "$nin":
			array, _ := want.ArrayOK()
			values, err := array.Values()
			if err != nil {
				return false, err //nolint:wrapcheck // told as it is
			}
			ok = slices.ContainsFunc(values, func(v bson.RawValue) bool { return equal(have, v) }) == (e.Key() == "$in")
		case "$all":
			array, _ := want.ArrayOK()
			values, err := array.Values()
			if err != nil {
				return false, err //nolint:wrapcheck // told as it is
			}
			ok = len(values) > 0 && !slices.ContainsFunc(values, func(v bson.RawValue) bool { return !equal(have, v) })
		case "$not":
			inner, err := satisfies(have, want.Document())
			if err != nil {
				return false, err
			}
			ok = !inner
		default:
			return false, refuse(codeBadValue, "this server does not know %s", e.Key())
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// equal also holds for an array that has the value, as in MongoDB.
func equal(have, want bson.RawValue) bool {
	if array, ok := have.ArrayOK(); ok {
		if values, err := array.Values(); err == nil &&
			slices.ContainsFunc(values, func(v bson.RawValue) bool { return equal(v, want) }) {
			return true
		}
	}
	if want.Type == bson.TypeNull {
		return have.IsZero() || have.Type == bson.TypeNull
	}
	return comparable(have, want) && compare(have, want) == 0
}

func comparable(a, b bson.RawValue) bool {
	return !a.IsZero() && class(a) == class(b)
}
