package mongomem

import (
	"container/heap"
	"slices"
	"strings"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// index maps the keys of its fields' values, and that of the _id behind them, to
// the keys of _ids.
type index struct {
	name   string
	fields []string
	unique bool
	ids    btree.Map[string, string]
}

func (c *collection) createIndexes(req *request) (bson.D, error) {
	specs, err := req.list("indexes")
	if err != nil {
		return nil, err
	}
	for _, spec := range specs {
		x := &index{name: spec.Lookup("name").StringValue()}
		x.unique, _ = spec.Lookup("unique").BooleanOK()
		if x.fields, err = fieldsOf(spec.Lookup("key")); err != nil {
			return nil, err
		}
		if c.index(x.name) != nil {
			continue
		}
		c.docs.Scan(func(id string, doc bson.Raw) bool {
			x.add(id, doc)
			return true
		})
		c.indexes = append(c.indexes, x)
	}
	return nil, nil
}

// fieldsOf is the fields of an index's keys: all ascending.
func fieldsOf(keys bson.RawValue) ([]string, error) {
	d, _ := keys.DocumentOK()
	elements, err := d.Elements()
	if err != nil || len(elements) == 0 {
		return nil, refuse(codeBadValue, "an index has no key")
	}
	var fields []string
	for _, e := range elements {
		if n, ok := e.Value().AsInt64OK(); !ok || n != 1 {
			return nil, refuse(codeBadValue, "this server's indexes are ascending")
		}
		fields = append(fields, e.Key())
	}
	return fields, nil
}

func (c *collection) index(name string) *index {
	i := slices.IndexFunc(c.indexes, func(x *index) bool { return x.name == name })
	if i < 0 {
		return nil
	}
	return c.indexes[i]
}

// keys is the keys of a document: one, or with an array one for each of its values.
// A field that is missing counts as null, as in MongoDB.
func (x *index) keys(doc bson.Raw) []string {
	keys := []string{""}
	for _, f := range x.fields {
		values := []bson.RawValue{lookup(doc, f)}
		if array, ok := values[0].ArrayOK(); ok {
			if list, err := array.Values(); err == nil && len(list) > 0 {
				values = list
			}
		}
		longer := make([]string, 0, len(keys)*len(values))
		for _, key := range keys {
			for _, value := range values {
				longer = append(longer, key+keyOf(value))
			}
		}
		keys = longer
	}
	return keys
}

func (x *index) add(id string, doc bson.Raw) {
	for _, key := range x.keys(doc) {
		x.ids.Set(key+id, id)
	}
}

func (x *index) remove(id string, doc bson.Raw) {
	for _, key := range x.keys(doc) {
		x.ids.Delete(key + id)
	}
}

// taken reports whether another document has values of doc.
func (x *index) taken(id string, doc bson.Raw) (found bool) {
	for _, key := range x.keys(doc) {
		x.ids.Ascend(key, func(k, other string) bool {
			found = k < key+above && other != id
			return k < key+above && !found
		})
	}
	return found
}

// span is a range of keys that begin alike: lo ≤ key < hi. What comes after the
// first fixed bytes is not fixed.
type span struct {
	lo, hi string
	fixed  int
}

// spansOf are the values of a field that a filter asks for, in order, and whether
// these are single values. Values of different classes do not compare, so a range is
// one within a class. ok is false where it asks for nothing that an index could tell.
func spansOf(filter bson.Raw, field string) (spans []span, points, ok bool) {
	want := filter.Lookup(field)
	ops, isDoc := want.DocumentOK()
	if want.IsZero() || want.Type == bson.TypeArray {
		return nil, false, false
	}
	if !isDoc || !isOperators(ops) {
		return []span{pointOf(want)}, true, true
	}
	if list, ok := valuesOf(ops.Lookup("$in")); ok {
		for _, v := range list {
			spans = append(spans, pointOf(v))
		}
		slices.SortFunc(spans, func(a, b span) int { return strings.Compare(a.lo, b.lo) })
		return slices.Compact(spans), true, true
	}
	if list, ok := valuesOf(ops.Lookup("$all")); ok && len(list) > 0 {
		return []span{pointOf(list[0])}, true, true // the others are looked for in what it leads to
	}
	if eq := ops.Lookup("$eq"); !eq.IsZero() {
		return []span{pointOf(eq)}, true, true
	}
	var s span
	for _, op := range []string{"$gt", "$gte", "$lt", "$lte"} {
		v := ops.Lookup(op)
		if v.IsZero() {
			continue
		}
		key := keyOf(v)
		if s.lo == "" { // the whole class
			s.lo, s.hi = key[:1], string([]byte{key[0] + 1})
		}
		switch op {
		case "$gt":
			s.lo = max(s.lo, key+above)
		case "$gte":
			s.lo = max(s.lo, key)
		case "$lt":
			s.hi = min(s.hi, key)
		case "$lte":
			s.hi = min(s.hi, key+above)
		}
	}
	return []span{s}, false, s.lo != ""
}

func pointOf(v bson.RawValue) span {
	key := keyOf(v)
	return span{lo: key, hi: key + above, fixed: len(key)}
}

func valuesOf(v bson.RawValue) ([]bson.RawValue, bool) {
	array, ok := v.ArrayOK()
	if !ok {
		return nil, false
	}
	list, err := array.Values()
	return list, err == nil
}

// spans joins the single values of the first fields with the range of the next one,
// and says how many fields that are: first those with single values, then in all.
func (x *index) spans(filter bson.Raw) (all []span, points, fields int) {
	all = []span{{}}
	for _, f := range x.fields {
		next, single, ok := spansOf(filter, f)
		if !ok {
			break
		}
		longer := make([]span, 0, len(all)*len(next))
		for _, a := range all {
			for _, b := range next {
				prefix := a.lo
				longer = append(longer, span{prefix + b.lo, prefix + b.hi, len(prefix) + b.fixed})
			}
		}
		all, fields = longer, fields+1
		if !single {
			break
		}
		points++
	}
	return all, points, fields
}

// maxMerged is how many ranges MongoDB merges into one order at most
// (internalQueryMaxScansToExplode); with more it sorts in memory.
const maxMerged = 200

// walk visits what is in spans, one after the other; merged, in the order of what
// comes behind their fixed bytes. It ends where visit returns false.
func walk[V any](m *btree.Map[string, V], spans []span, desc, merged bool, visit func(key string, value V) bool) {
	if !merged || len(spans) == 1 {
		for i := range spans {
			s := spans[i]
			if desc {
				s = spans[len(spans)-1-i]
			}
			for at := begin(m, s, desc); at.ok; at.next() {
				if !visit(at.it.Key(), at.it.Value()) {
					return
				}
			}
		}
		return
	}
	next := merge[V]{}
	for _, s := range spans {
		if at := begin(m, s, desc); at.ok {
			next = append(next, at)
		}
	}
	for heap.Init(&next); len(next) > 0; {
		at := next[0]
		if !visit(at.it.Key(), at.it.Value()) {
			return
		}
		if at.next(); at.ok {
			heap.Fix(&next, 0)
		} else {
			heap.Pop(&next)
		}
	}
}

// merge is the cursors of a walk, the one that is to be visited next on top.
type merge[V any] []*cursor[V]

func (m merge[V]) Len() int { return len(m) }
func (m merge[V]) Less(i, j int) bool {
	return m[i].rest() != m[j].rest() && m[i].rest() < m[j].rest() != m[i].desc
}
func (m merge[V]) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merge[V]) Push(c any)   { *m = append(*m, c.(*cursor[V])) }

func (m *merge[V]) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// cursor is a place in a span.
type cursor[V any] struct {
	it   btree.MapIter[string, V]
	span span
	desc bool
	ok   bool
}

func begin[V any](m *btree.Map[string, V], s span, desc bool) *cursor[V] {
	c := &cursor[V]{it: m.Iter(), span: s, desc: desc}
	switch {
	case !desc && s.lo == "":
		c.ok = c.it.First()
	case !desc:
		c.ok = c.it.Seek(s.lo)
	case s.hi != "" && c.it.Seek(s.hi):
		c.ok = c.it.Prev()
	default:
		c.ok = c.it.Last()
	}
	c.within()
	return c
}

func (c *cursor[V]) next() {
	if c.desc {
		c.ok = c.it.Prev()
	} else {
		c.ok = c.it.Next()
	}
	c.within()
}

func (c *cursor[V]) within() {
	c.ok = c.ok && c.it.Key() >= c.span.lo && (c.span.hi == "" || c.it.Key() < c.span.hi)
}

func (c *cursor[V]) rest() string { return c.it.Key()[c.span.fixed:] }
