package mongomem

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// plan is what a question asks for beside its filter.
type plan struct {
	sort  string // a field; "": the order of the index that is used
	then  string // another field, for what is equal by the first; "": none
	desc  bool
	limit int // 0: none
}

func (c *collection) find(req *request) (bson.D, error) {
	var p plan
	if sort, ok := req.Lookup("sort").DocumentOK(); ok {
		elements, err := sort.Elements()
		if err != nil || len(elements) == 0 || len(elements) > 2 {
			return nil, refuse(codeBadValue, "this server sorts by one field, or two")
		}
		p.sort = elements[0].Key()
		p.desc = elements[0].Value().AsInt64() < 0
		if len(elements) == 2 {
			if p.then = elements[1].Key(); elements[1].Value().AsInt64() < 0 != p.desc {
				return nil, refuse(codeBadValue, "this server sorts by two fields in one direction")
			}
		}
	}
	if limit, ok := req.Lookup("limit").AsInt64OK(); ok {
		p.limit = int(limit)
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
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: c.name}, {Key: "firstBatch", Value: batch},
	}}}, nil
}

// bounds are what a filter says of one string field.
type bounds struct {
	in     []string // exact values, in order; nil: a range
	lo, hi string   // exclusive; "": open
}

func boundsOf(filter bson.Raw, field string) (b bounds, ok bool) {
	v := filter.Lookup(field)
	if s, ok := v.StringValueOK(); ok {
		return bounds{in: []string{s}}, true
	}
	ops, ok := v.DocumentOK()
	if !ok {
		return b, false
	}
	if values, ok := ops.Lookup("$in").ArrayOK(); ok {
		list, _ := values.Values()
		b.in = []string{}
		for _, v := range list {
			if s, ok := v.StringValueOK(); ok {
				b.in = append(b.in, s)
			}
		}
		slices.Sort(b.in)
		b.in = slices.Compact(b.in)
		return b, true
	}
	b.lo, _ = ops.Lookup("$gt").StringValueOK()
	if lo, ok := ops.Lookup("$gte").StringValueOK(); ok {
		b.lo = lo
	}
	b.hi, _ = ops.Lookup("$lt").StringValueOK()
	if hi, ok := ops.Lookup("$lte").StringValueOK(); ok {
		b.hi = hi + separator
	}
	return b, b.lo != "" || b.hi != ""
}

// match finds the documents that a filter selects. Bounds only narrow where it
// looks: every document is held against the whole filter.
func (c *collection) match(filter bson.Raw, p plan) (found []bson.Raw, err error) {
	if filter == nil {
		filter = bson.Raw{5, 0, 0, 0, 0}
	}
	ordered := p.sort == "" // may it stop at the limit?
	b, x := c.choose(filter)
	_, more := filter.IndexErr(1)
	whole := x == nil && b.in != nil && more != nil // the filter names _ids and says nothing else
	take := func(doc bson.Raw) bool {
		c.used.examined++
		if whole {
			found = append(found, doc)
			return !ordered || p.limit == 0 || len(found) < p.limit
		}
		ok, e := matches(doc, filter)
		if e != nil {
			err = e
			return false
		}
		if ok {
			found = append(found, doc)
		}
		return !ordered || p.limit == 0 || len(found) < p.limit
	}
	switch {
	case x == nil:
		c.used.primary(b)
		ordered = ordered || p.sort == "_id" && p.then == ""
		c.walk(b, p.desc && p.sort == "_id", take)
	default:
		c.used.index(x.name)
		ordered = ordered || p.then == "" && x.sorts(filter, p.sort)
		seen := map[string]bool{} // a document with an array is there under each of its values
		x.walk(b, p.desc && ordered, func(id string) bool {
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
			found = found[:min(len(found), p.limit)]
		}
	}
	return found, nil
}

// choose picks the primary index where the filter bounds _id, else the index whose
// fields are bounded the furthest, else all documents (no bounds, nil).
func (c *collection) choose(filter bson.Raw) (bounds, *index) {
	if b, ok := boundsOf(filter, "_id"); ok {
		return b, nil
	}
	var best *index
	var bestBounds bounds
	longest := 0
	for _, x := range c.indexes {
		b, n := x.bounds(filter)
		if n > longest {
			best, bestBounds, longest = x, b, n
		}
	}
	return bestBounds, best
}

// bounds joins the exact values of the first fields with the bounds of the next.
func (x *index) bounds(filter bson.Raw) (all bounds, fields int) {
	prefixes := []string{""}
	for _, f := range x.fields {
		b, ok := boundsOf(filter, f)
		switch {
		case !ok:
		case b.in != nil:
			var next []string
			for _, p := range prefixes {
				for _, v := range b.in {
					next = append(next, p+v+separator)
				}
			}
			prefixes = next
			fields++
			continue
		case len(prefixes) == 1:
			hi := prefixes[0] + "\xff"
			if b.hi != "" {
				hi = prefixes[0] + b.hi
			}
			return bounds{lo: prefixes[0] + b.lo, hi: hi}, fields + 1
		}
		break
	}
	return bounds{in: prefixes}, fields
}

// sorts reports whether a walk is in the order of a field: that behind those that
// the filter fixes.
func (x *index) sorts(filter bson.Raw, field string) bool {
	for _, f := range x.fields {
		if f == field {
			return true
		}
		if _, ok := filter.Lookup(f).StringValueOK(); !ok {
			return false
		}
	}
	return false
}

func (x *index) walk(b bounds, desc bool, take func(id string) bool) {
	more := true
	walk := func(lo, hi string) {
		visit := func(k, id string) bool {
			if desc && k <= lo || !desc && hi != "" && k >= hi {
				return false
			}
			more = take(id)
			return more
		}
		if desc {
			x.ids.Descend(hi, func(k, id string) bool { return k >= hi || visit(k, id) })
			return
		}
		x.ids.Ascend(lo, visit)
	}
	if b.in == nil {
		walk(b.lo, b.hi)
		return
	}
	if desc {
		slices.Reverse(b.in)
	}
	for _, prefix := range b.in {
		if more {
			walk(prefix, prefix+"\xff")
		}
	}
}

// walk visits the documents within bounds of _id.
func (c *collection) walk(b bounds, desc bool, take func(bson.Raw) bool) {
	if b.in != nil {
		if desc {
			slices.Reverse(b.in)
		}
		for _, id := range b.in {
			if doc, ok := c.docs.Get(id); ok && !take(doc) {
				return
			}
		}
		return
	}
	if desc {
		visit := func(id string, doc bson.Raw) bool { return id >= b.lo && take(doc) }
		if b.hi == "" {
			c.docs.Reverse(visit)
		} else {
			c.docs.Descend(b.hi, visit)
		}
		return
	}
	c.docs.Ascend(b.lo, func(id string, doc bson.Raw) bool {
		return (b.hi == "" || id < b.hi) && take(doc)
	})
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

// class is MongoDB's order of types, of those that are used.
func class(v bson.RawValue) int {
	switch v.Type {
	case bson.TypeNull:
		return 1
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return 2
	case bson.TypeString:
		return 3
	case bson.TypeEmbeddedDocument:
		return 4
	case bson.TypeArray:
		return 5
	case bson.TypeBinary:
		return 6
	case bson.TypeBoolean:
		return 8
	case bson.TypeDateTime:
		return 9
	}
	return 0
}

// compare orders two values as MongoDB does; a missing one comes first.
func compare(a, b bson.RawValue) int {
	if n := cmp.Compare(class(a), class(b)); n != 0 {
		return n
	}
	switch class(a) {
	case 2:
		if a.Type == bson.TypeDouble || b.Type == bson.TypeDouble {
			return cmp.Compare(a.AsFloat64(), b.AsFloat64())
		}
		return cmp.Compare(a.AsInt64(), b.AsInt64())
	case 3:
		return strings.Compare(a.StringValue(), b.StringValue())
	case 4, 5:
		return compareDocuments(bson.Raw(a.Value), bson.Raw(b.Value))
	case 8:
		return cmp.Compare(a.Value[0], b.Value[0])
	case 9:
		return cmp.Compare(a.DateTime(), b.DateTime())
	}
	return bytes.Compare(a.Value, b.Value)
}

// compareDocuments goes field by field: type, name, value.
func compareDocuments(a, b bson.Raw) int {
	x, _ := a.Elements()
	y, _ := b.Elements()
	for i := range min(len(x), len(y)) {
		n := cmp.Or(cmp.Compare(class(x[i].Value()), class(y[i].Value())),
			strings.Compare(x[i].Key(), y[i].Key()), compare(x[i].Value(), y[i].Value()))
		if n != 0 {
			return n
		}
	}
	return cmp.Compare(len(x), len(y))
}
