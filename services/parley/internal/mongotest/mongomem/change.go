package mongomem

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// updated is a document with an update's operators applied.
func updated(doc, change bson.Raw, inserting bool) (bson.Raw, error) {
	var d bson.D
	if err := bson.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	operators, err := change.Elements()
	if err != nil || len(operators) == 0 {
		return nil, refuse(codeBadValue, "an update needs operators")
	}
	for _, op := range operators {
		fields, ok := op.Value().DocumentOK()
		if !ok {
			return nil, refuse(codeBadValue, "this server does not replace documents")
		}
		elements, err := fields.Elements()
		if err != nil {
			return nil, err //nolint:wrapcheck // told as it is
		}
		for _, e := range elements {
			if d, err = applyOne(d, op.Key(), e, inserting); err != nil {
				return nil, err
			}
		}
	}
	out, err := bson.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	return out, nil
}

func applyOne(d bson.D, op string, e bson.RawElement, inserting bool) (bson.D, error) {
	path := strings.Split(e.Key(), ".")
	switch op {
	case "$set":
		return set(d, path, e.Value())
	case "$setOnInsert":
		if inserting {
			return set(d, path, e.Value())
		}
		return d, nil
	case "$unset":
		return unset(d, path)
	case "$max", "$min", "$inc":
		raw, err := bson.Marshal(d)
		if err != nil {
			return nil, fmt.Errorf("write a document: %w", err)
		}
		have := bson.Raw(raw).Lookup(path...)
		n := compare(e.Value(), have)
		switch {
		case op == "$inc" && !have.IsZero():
			return set(d, path, have.AsInt64()+e.Value().AsInt64())
		case have.IsZero() || op == "$max" && n > 0 || op == "$min" && n < 0:
			return set(d, path, e.Value())
		}
		return d, nil
	}
	return nil, refuse(codeBadValue, "this server does not know %s", op)
}

func set(d bson.D, path []string, value any) (bson.D, error) {
	i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == path[0] })
	if len(path) == 1 {
		if i < 0 {
			return append(d, bson.E{Key: path[0], Value: value}), nil
		}
		d[i].Value = value
		return d, nil
	}
	var inner bson.D
	if i >= 0 {
		var err error
		if inner, err = documentOf(d[i].Value); err != nil {
			return nil, err
		}
	}
	inner, err := set(inner, path[1:], value)
	if err != nil {
		return nil, err
	}
	if i < 0 {
		return append(d, bson.E{Key: path[0], Value: inner}), nil
	}
	d[i].Value = inner
	return d, nil
}

// documentOf is a field's value as a document: as it was read, or as an operator
// of the same update has set it.
func documentOf(value any) (bson.D, error) {
	switch v := value.(type) {
	case bson.D:
		return v, nil
	case bson.RawValue:
		var d bson.D
		if err := v.Unmarshal(&d); err == nil {
			return d, nil
		}
	}
	return nil, refuse(codeBadValue, "a path leads through what is not a document")
}

func unset(d bson.D, path []string) (bson.D, error) {
	i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == path[0] })
	switch {
	case i < 0:
		return d, nil
	case len(path) == 1:
		return slices.Delete(d, i, i+1), nil
	}
	inner, err := documentOf(d[i].Value)
	if err != nil {
		return d, nil // there is nothing at the path
	}
	if inner, err = unset(inner, path[1:]); err != nil {
		return nil, err
	}
	d[i].Value = inner
	return d, nil
}

// upsertOf is the document that an update makes where none matches: what the
// filter says to be equal, and the update on top.
func upsertOf(filter, change bson.Raw) (bson.Raw, error) {
	elements, err := filter.Elements()
	if err != nil {
		return nil, err //nolint:wrapcheck // told as it is
	}
	d := bson.D{}
	for _, e := range elements {
		if ops, ok := e.Value().DocumentOK(); ok && isOperators(ops) || strings.HasPrefix(e.Key(), "$") {
			continue
		}
		if d, err = set(d, strings.Split(e.Key(), "."), e.Value()); err != nil {
			return nil, err
		}
	}
	doc, err := bson.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	return updated(doc, change, true)
}

// project leaves fields in or out.
func project(doc, projection bson.Raw) (bson.Raw, error) {
	fields, err := projection.Elements()
	if len(projection) == 0 || err != nil || len(fields) == 0 {
		return doc, err //nolint:wrapcheck // told as it is
	}
	chosen := make(map[string]bool, len(fields))
	including := false
	for _, f := range fields {
		if strings.Contains(f.Key(), ".") {
			return nil, refuse(codeBadValue, "this server projects whole fields")
		}
		on, isBool := f.Value().BooleanOK()
		chosen[f.Key()] = isBool && on || !isBool && f.Value().AsInt64() != 0
		including = including || chosen[f.Key()] && f.Key() != "_id"
	}
	elements, err := doc.Elements()
	if err != nil {
		return nil, err //nolint:wrapcheck // told as it is
	}
	out := bson.D{}
	for _, e := range elements {
		on, named := chosen[e.Key()]
		if named && on || !named && (!including || e.Key() == "_id") {
			out = append(out, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	raw, err := bson.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	return raw, nil
}
