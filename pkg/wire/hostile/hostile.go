// Package hostile makes requests that try to be more than data: each field of a valid
// JSON document is replaced, one after the other, by what means something to a
// database. Tests of everything that reads JSON use it.
package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// Values are what a field is replaced by: operators of MongoDB, and other types than
// any field has.
var Values = []string{
	`{"$gt":""}`, `{"$ne":null}`, `{"$where":"sleep(1000)"}`, `{"$regex":".*"}`, `{"$in":["a"]}`, `{"$expr":{"$eq":[1,1]}}`,
	`[{"$gt":""}]`, `[["a"]]`, `{"a":{"$gt":{"$ne":[null]}}}`, `{"$oid":"5f0000000000000000000000"}`, `{"$numberLong":"1"}`,
	`{"$date":0}`, `{"":""}`, `true`, `-1e999`, `1.5`,
}

// Texts are strings that must be refused, or stay what they are.
var Texts = []string{
	`{"$gt":""}`, `$where`, `$`, `.`, `a.b`, `a/b`, `a\x00b`, `' || '1'=='1`, `; return true; //`, `../../etc/passwd`, `%00`, "\u0000", `_id`, `__proto__`,
}

// Case is a document with one field replaced.
type Case struct {
	Path     string // such as "body.text" or "members.0"
	Original any    // what the field was
	Value    string // what it is, JSON
	JSON     string // the whole document
}

// Fields replaces every field of a document, and every element of its lists, by every
// value. Objects are replaced, too, and so are the fields in them.
func Fields(doc string, values []string) ([]Case, error) {
	var root any
	if err := json.Unmarshal([]byte(doc), &root); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	var cases []Case
	var failed error
	emit := func(path string, original any, set func(any)) {
		for _, v := range values {
			var value any
			if err := json.Unmarshal([]byte(v), &value); err != nil {
				value = marker // a number that no float holds: put in as text
			}
			set(value)
			b, err := json.Marshal(root, json.Deterministic(true))
			if err != nil {
				failed = err
				continue
			}
			cases = append(cases, Case{path, original, v, replaceMarker(string(b), v)})
		}
		set(original)
	}
	walk("", root, emit)
	return cases, failed
}

func walk(path string, node any, emit func(string, any, func(any))) {
	at := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch n := node.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(n)) {
			emit(at(k), n[k], func(v any) { n[k] = v })
			walk(at(k), n[k], emit)
		}
	case []any:
		for i := range n {
			emit(at(fmt.Sprint(i)), n[i], func(v any) { n[i] = v })
			walk(at(fmt.Sprint(i)), n[i], emit)
		}
	}
}

// marker stands for a value that cannot be decoded.
const marker = "hostile-marker-7f3a"

func replaceMarker(doc, value string) string {
	return strings.Replace(doc, `"`+marker+`"`, value, 1)
}

// Quoted is a text as a JSON value.
func Quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(b)
}
