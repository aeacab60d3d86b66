package mongomem

import (
	"errors"
	"strings"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// collection is documents in the order of their _id, which is a string, and
// indexes. It is guarded by Server.mu.
type collection struct {
	name    string
	docs    btree.Map[string, bson.Raw]
	indexes []*index
	used    usage // by the present command
}

// index maps the values of its fields, and the _id behind them, to documents.
// Only strings can be found by it.
type index struct {
	name   string
	fields []string
	unique bool
	ids    btree.Map[string, string]
}

func newCollection(name string) *collection { return &collection{name: name} }

func (c *collection) createIndexes(req *request) (bson.D, error) {
	specs, err := req.list("indexes")
	if err != nil {
		return nil, err
	}
	for _, spec := range specs {
		keys, ok := spec.Lookup("key").DocumentOK()
		if !ok {
			return nil, refuse(codeBadValue, "an index has no key")
		}
		elements, err := keys.Elements()
		if err != nil {
			return nil, err //nolint:wrapcheck // told as it is
		}
		x := &index{name: spec.Lookup("name").StringValue()}
		x.unique, _ = spec.Lookup("unique").BooleanOK()
		for _, e := range elements {
			x.fields = append(x.fields, e.Key())
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

func (c *collection) index(name string) *index {
	for _, x := range c.indexes {
		if x.name == name {
			return x
		}
	}
	return nil
}

// separator ends a value in a key of an index; values of Parley do not have it.
const separator = "\x00"

// keys is the values of a document: one key, or with an array one for each of its
// values. A field that is missing counts as a value, as in MongoDB.
func (x *index) keys(doc bson.Raw) []string {
	keys := []string{""}
	for _, f := range x.fields {
		values := []bson.RawValue{lookup(doc, f)}
		if array, ok := values[0].ArrayOK(); ok {
			if list, err := array.Values(); err == nil && len(list) > 0 {
				values = list
			}
		}
		var longer []string
		for _, key := range keys {
			for _, value := range values {
				v, _ := value.StringValueOK()
				longer = append(longer, key+v+separator)
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
			if !strings.HasPrefix(k, key) {
				return false
			}
			found = found || other != id
			return !found
		})
	}
	return found
}

// put stores a document in place of old, nil for none.
func (c *collection) put(id string, old, doc bson.Raw) error {
	for _, x := range c.indexes {
		if x.unique && x.taken(id, doc) {
			return refuse(codeDuplicateKey, "E11000 duplicate key error collection: %s index: %s", c.name, x.name)
		}
	}
	for _, x := range c.indexes {
		if old != nil {
			x.remove(id, old)
		}
		x.add(id, doc)
	}
	c.docs.Set(id, doc)
	c.used.written++
	return nil
}

func (c *collection) insertOne(doc bson.Raw) error {
	id, ok := doc.Lookup("_id").StringValueOK()
	if !ok {
		return refuse(codeBadValue, "this server keeps documents by an _id that is a string")
	}
	if _, ok := c.docs.Get(id); ok {
		return refuse(codeDuplicateKey, "E11000 duplicate key error collection: %s index: _id_", c.name)
	}
	return c.put(id, nil, doc)
}

func (c *collection) insert(req *request) (bson.D, error) {
	docs, err := req.list("documents")
	if err != nil {
		return nil, err
	}
	n, failed := each(req, docs, c.insertOne)
	return writeAnswer(n, failed), nil
}

// each does one write for each document. Errors are told by index; an ordered
// command ends with the first.
func each(req *request, docs []bson.Raw, write func(bson.Raw) error) (done int32, failed bson.A) {
	ordered, isSet := req.Lookup("ordered").BooleanOK()
	for i, doc := range docs {
		err := write(doc)
		if err == nil {
			done++
			continue
		}
		r := &refusal{codeBadValue, err.Error()}
		errors.As(err, &r)
		failed = append(failed, bson.D{{Key: "index", Value: int32(i)}, {Key: "code", Value: r.code}, {Key: "errmsg", Value: r.message}})
		if ordered || !isSet {
			break
		}
	}
	return done, failed
}

func writeAnswer(n int32, failed bson.A) bson.D {
	d := bson.D{{Key: "n", Value: n}}
	if len(failed) > 0 {
		d = append(d, bson.E{Key: "writeErrors", Value: failed})
	}
	return d
}

func (c *collection) update(req *request) (bson.D, error) {
	updates, err := req.list("updates")
	if err != nil {
		return nil, err
	}
	var matched, modified int32
	var upserted bson.A
	at := int32(-1)
	_, failed := each(req, updates, func(u bson.Raw) error {
		at++
		multi, _ := u.Lookup("multi").BooleanOK()
		upsert, _ := u.Lookup("upsert").BooleanOK()
		found, err := c.match(u.Lookup("q").Document(), plan{limit: limitOf(multi)})
		if err != nil {
			return err
		}
		change := u.Lookup("u").Document()
		for _, doc := range found {
			after, err := c.apply(doc, change)
			if err != nil {
				return err
			}
			matched++
			if string(after) != string(doc) {
				modified++
			}
		}
		if len(found) > 0 || !upsert {
			return nil
		}
		doc, err := upsertOf(u.Lookup("q").Document(), change)
		if err != nil {
			return err
		}
		if err := c.insertOne(doc); err != nil {
			return err
		}
		matched++
		upserted = append(upserted, bson.D{{Key: "index", Value: at}, {Key: "_id", Value: doc.Lookup("_id").StringValue()}})
		return nil
	})
	d := append(writeAnswer(matched, failed), bson.E{Key: "nModified", Value: modified})
	if len(upserted) > 0 {
		d = append(d, bson.E{Key: "upserted", Value: upserted})
	}
	return d, nil
}

func limitOf(multi bool) int {
	if multi {
		return 0
	}
	return 1
}

// apply changes a stored document.
func (c *collection) apply(doc, change bson.Raw) (after bson.Raw, err error) {
	after, err = updated(doc, change, false)
	if err != nil {
		return nil, err
	}
	id := doc.Lookup("_id").StringValue()
	if after.Lookup("_id").StringValue() != id {
		return nil, refuse(codeBadValue, "an _id does not change")
	}
	return after, c.put(id, doc, after)
}

func (c *collection) delete(req *request) (bson.D, error) {
	deletes, err := req.list("deletes")
	if err != nil {
		return nil, err
	}
	var n int32
	_, failed := each(req, deletes, func(d bson.Raw) error {
		limit, _ := d.Lookup("limit").AsInt64OK()
		found, err := c.match(d.Lookup("q").Document(), plan{limit: int(limit)})
		if err != nil {
			return err
		}
		for _, doc := range found {
			c.remove(doc)
		}
		n += int32(len(found))
		return nil
	})
	return writeAnswer(n, failed), nil
}

func (c *collection) remove(doc bson.Raw) {
	id := doc.Lookup("_id").StringValue()
	for _, x := range c.indexes {
		x.remove(id, doc)
	}
	c.docs.Delete(id)
	c.used.written++
}

// findAndModify knows what the store asks for: update one document by its _id, and
// return it as it was before or is after; or remove it.
func (c *collection) findAndModify(req *request) (bson.D, error) {
	found, err := c.match(req.Lookup("query").Document(), plan{limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		if upsert, _ := req.Lookup("upsert").BooleanOK(); upsert {
			return nil, refuse(codeBadValue, "this server's findAndModify does not upsert")
		}
		return bson.D{{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(0)}}}, {Key: "value", Value: nil}}, nil
	}
	value := found[0]
	if remove, _ := req.Lookup("remove").BooleanOK(); remove {
		c.remove(value)
	} else {
		after, err := c.apply(value, req.Lookup("update").Document())
		if err != nil {
			return nil, err
		}
		if wantAfter, _ := req.Lookup("new").BooleanOK(); wantAfter {
			value = after
		}
	}
	return bson.D{{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(1)}}}, {Key: "value", Value: value}}, nil
}
