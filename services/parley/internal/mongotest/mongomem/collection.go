package mongomem

import (
	"errors"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// collection is documents by the keys of their _id (see keyOf), and indexes. It is
// guarded by Server.mu.
type collection struct {
	name    string // with its database
	short   string // without
	docs    btree.Map[string, bson.Raw]
	indexes []*index
	used    usage // by the present command
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

// idOf is the key of a document's _id. As in MongoDB that is no array and no regular
// expression; a driver has filled it in where nobody gave one.
func idOf(doc bson.Raw) (string, error) {
	id := doc.Lookup("_id")
	switch class(id) {
	case classArray, classRegex, classOther:
		return "", refuse(codeBadValue, "an _id cannot be of type %s", id.Type)
	}
	if id.IsZero() || id.Type == bson.TypeUndefined {
		return "", refuse(codeBadValue, "a document has no _id")
	}
	return keyOf(id), nil
}

func (c *collection) insertOne(doc bson.Raw) error {
	id, err := idOf(doc)
	if err != nil {
		return err
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
		upserted = append(upserted, bson.D{{Key: "index", Value: at}, {Key: "_id", Value: doc.Lookup("_id")}})
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
	if !doc.Lookup("_id").Equal(after.Lookup("_id")) {
		return nil, refuse(codeImmutableField, "an _id does not change")
	}
	return after, c.put(keyOf(doc.Lookup("_id")), doc, after)
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
	id := keyOf(doc.Lookup("_id"))
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
