package spec

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Schema is the part of JSON Schema (2020-12) that the contracts need.
type Schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type,omitempty"`
	Const       string             `json:"const,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Format      string             `json:"format,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	MaxLength   int64              `json:"maxLength,omitzero"`
	Minimum     *int64             `json:"minimum,omitempty"`
	Maximum     *int64             `json:"maximum,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	OneOf       []*Schema          `json:"oneOf,omitempty"`
	Others      *Others            `json:"additionalProperties,omitempty"`
}

// Others is what properties that have no schema of their own may be: Schema, or
// nothing at all where it is nil.
type Others struct{ Schema *Schema }

// MarshalJSON writes false for nothing at all.
func (o Others) MarshalJSON() ([]byte, error) {
	if o.Schema == nil {
		return []byte("false"), nil
	}
	return json.Marshal(o.Schema, json.Deterministic(true))
}

// UnmarshalJSON is its inverse.
func (o *Others) UnmarshalJSON(b []byte) error {
	o.Schema = nil
	if string(b) == "false" {
		return nil
	}
	return json.Unmarshal(b, &o.Schema)
}

// forms are types whose form the Go type alone does not tell.
var forms = map[reflect.Type]Schema{
	reflect.TypeFor[chat.User]():    {Type: "string", Pattern: `^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$`},
	reflect.TypeFor[chat.Device]():  {Type: "string", Pattern: `^[A-Za-z0-9_-]{1,64}$`},
	reflect.TypeFor[chat.ConvID]():  {Type: "string", Pattern: `^[dg]_[a-z0-9]{16,40}$`},
	reflect.TypeFor[chat.CMID]():    {Type: "string", Pattern: `^[A-Za-z0-9_-]{1,64}$`},
	reflect.TypeFor[chat.Seq]():     {Type: "integer", Minimum: new(int64), Maximum: ptr(int64(chat.MaxSeq))},
	reflect.TypeFor[wire.KeepFor](): {OneOf: []*Schema{{Type: "string"}, {Type: "null"}}},
	reflect.TypeFor[wire.Time]():    {Type: "string", Format: "date-time"},
}

func ptr[T any](v T) *T { return &v }

// generator makes schemas of Go types.
type generator struct {
	source  *source
	schemas map[string]*Schema      // the components
	made    map[string]reflect.Type // what each is of
	client  bool                    // for what a client sends
}

// failure is what stops a generator; [Documents] turns it into an error.
type failure struct{ error }

func fail(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// of is the schema of a type, a reference where it has a name of ours.
func (g *generator) of(t reflect.Type) *Schema {
	if form, ok := forms[t]; ok {
		if t == reflect.TypeFor[chat.CMID]() && !g.client {
			// The server's own entries have cmids outside of the clients' alphabet.
			return &Schema{Type: "string"}
		}
		return g.component(t, func() *Schema { return &form })
	}
	if t.Implements(textMarshaler) {
		fail("%s writes itself: say in spec/schema.go: forms what it writes", t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int64:
		return &Schema{Type: "integer"}
	case reflect.String:
		if values := g.source.enums[key(t)]; len(values) > 0 {
			return g.component(t, func() *Schema { return &Schema{Type: "string", Enum: values} })
		}
		return &Schema{Type: "string"}
	case reflect.Slice, reflect.Array:
		return &Schema{Type: "array", Items: g.of(t.Elem())}
	case reflect.Map:
		return &Schema{Type: "object", Others: &Others{g.of(t.Elem())}}
	case reflect.Struct:
		return g.component(t, func() *Schema { return g.object(t) })
	}
	fail("%s: no schema for a %s", t, t.Kind())
	return nil
}

// generic takes apart the name of a generic type of one parameter.
var generic = regexp.MustCompile(`^(\w+)\[.*\.(\w+)\]$`)

// nameOf is what a type is called in the contracts: Page[wire.Entry] is EntryPage.
func nameOf(t reflect.Type) string {
	if m := generic.FindStringSubmatch(t.Name()); m != nil {
		return m[2] + m[1]
	}
	return t.Name()
}

// component refers to a schema with a name, and makes it first where there is none.
func (g *generator) component(t reflect.Type, make func() *Schema) *Schema {
	name := nameOf(t)
	ref := &Schema{Ref: "#/components/schemas/" + name}
	if other := g.made[name]; other == t {
		return ref
	} else if other != nil {
		fail("%s and %s have the same name in the contract", t, other)
	}
	g.made[name] = t
	s := make()
	if s.Description == "" {
		s.Description = g.source.types[key(t)]
	}
	g.schemas[name] = s
	return ref
}

// object is the schema of a struct.
func (g *generator) object(t reflect.Type) *Schema {
	s := &Schema{Type: "object", Properties: map[string]*Schema{}, Description: g.source.types[key(t)]}
	g.fields(t, s)
	slices.Sort(s.Required)
	return s
}

// fields adds a struct's fields to a schema, those of embedded structs too.
func (g *generator) fields(t reflect.Type, s *Schema) {
	for f := range fieldsOf(t) {
		p := g.field(t, f)
		if doc := g.source.fields[key(f.in)+"."+f.Name]; doc != "" {
			p.Description = doc
		}
		s.Properties[f.name] = p
		if !f.optional {
			s.Required = append(s.Required, f.name)
		}
	}
}

func (g *generator) field(t reflect.Type, f field) *Schema {
	if f.name == "mentions" && f.Type.Kind() == reflect.Slice {
		// No pattern: one that takes more is, to who compares contracts, another one.
		return &Schema{Type: "array", Items: &Schema{Type: "string", Description: `The id of a user, or alone "*": everybody.`}}
	}
	if f.Type != reflect.TypeFor[jsontext.Value]() {
		return g.of(f.Type)
	}
	switch f.name { // fields that hold JSON as it is
	case "body":
		return g.of(reflect.TypeFor[wire.Body]())
	case "data":
		return &Schema{}
	}
	fail("%s.%s is any JSON: say in spec/schema.go: generator.field what it holds", t, f.Name)
	return nil
}

// field is a field of a struct as JSON has it.
type field struct {
	reflect.StructField
	in       reflect.Type // the struct that declares it
	name     string
	optional bool
}

// fieldsOf visits the fields of a struct, and of those that are embedded in it.
func fieldsOf(t reflect.Type) func(func(field) bool) {
	return func(yield func(field) bool) { visit(t, yield) }
}

func visit(t reflect.Type, yield func(field) bool) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			if !visit(f.Type, yield) {
				return false
			}
			continue
		case name == "-" || !f.IsExported():
			continue
		case name == "":
			fail("%s.%s has no name in JSON: give it a tag", t, f.Name)
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if !yield(field{f, t, name, optional}) {
			return false
		}
	}
	return true
}
