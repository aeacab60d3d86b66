package spec

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/wire"
)

// exportLines are in no schema: an export is lines of JSON.
var exportLines = []any{wire.ExportProfile{}, wire.ExportBlock{}, wire.ExportDevice{}, wire.ExportMembership{}, wire.ExportAttachment{},
	wire.ExportNext{}, wire.ExportEnd{}}

// bodies are the types of what goes over HTTP, by their names in the contract.
func bodies() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	add := func(v any) {
		if v != nil {
			types[nameOf(reflect.TypeOf(v))] = reflect.TypeOf(v)
		}
	}
	for _, o := range Operations {
		add(o.Body)
		for _, a := range o.Answers {
			value, _ := a.body()
			add(value)
		}
	}
	for _, v := range append(exportLines, wire.Problem{}, wire.Message{}, wire.Seen{}) {
		add(v)
	}
	return types
}

// Golden bodies of every type that goes over HTTP, named as in the contract, are
// decoded, are what the decoded value is written as, and are right by its schema. So a
// change of a name, a type, or of what is left out breaks one of them, here and in the
// clients that read them.
func TestGoldenBodies(t *testing.T) {
	c := compiler(t, contract.OpenAPIFile, contract.OpenAPI())
	http, _ := documents(t)
	types := bodies()
	there := map[string]bool{}
	golden := goldenFrames(t, "rest")
	for _, file := range slices.Sorted(maps.Keys(golden)) {
		name, _, _ := strings.Cut(file, "-")
		typ := types[name]
		if typ == nil {
			t.Errorf("the golden body %s is of no type of the contract", file)
			continue
		}
		there[name] = true
		body := bytes.TrimSuffix(golden[file], []byte("\n"))
		v := reflect.New(typ)
		if err := json.Unmarshal(body, v.Interface(), json.RejectUnknownMembers(true)); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if again := wire.Encode(v.Interface()); !bytes.Equal(again, body) {
			t.Errorf("%s is written as\n%s, not\n%s", file, again, body)
		}
		if http.Components.Schemas[name] == nil {
			continue // a line of an export
		}
		schema, err := c.Compile(contract.OpenAPIFile + "#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(whole); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for name := range types {
		if !there[name] {
			t.Errorf("there is no golden body of %s: add one to pkg/wire/testdata/rest", name)
		}
	}
}

// Every field of what goes over HTTP or comes on the socket is in some golden: one
// that is added, and shown by none, could change unseen.
func TestGoldensShowEveryField(t *testing.T) {
	shown := map[string]bool{}
	golden := goldenFrames(t, "rest")
	types := bodies()
	for file, body := range golden {
		name, _, _ := strings.Cut(file, "-")
		if types[name] == nil {
			continue // the other test says so
		}
		v := reflect.New(types[name])
		if err := json.Unmarshal(body, v.Interface()); err != nil {
			t.Fatal(err)
		}
		show(shown, v.Elem())
	}
	server := goldenFrames(t, "server")
	for i := range Frames {
		f := &Frames[i]
		for name, frame := range server {
			if typ, _, _ := strings.Cut(name, "-"); f.Client || typ != f.Type {
				continue
			}
			v := reflect.New(reflect.TypeOf(f.Value))
			if err := json.Unmarshal(frame, v.Interface()); err != nil {
				t.Fatal(err)
			}
			show(shown, v.Elem())
		}
	}
	for field, yes := range shown {
		if !yes {
			t.Errorf("no golden shows %s", field)
		}
	}
}

// show notes of the fields of a value, and of all in it, whether one is not zero. A
// field belongs to the struct that declares it, whatever that is embedded in, or of.
func show(shown map[string]bool, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			show(shown, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			show(shown, v.Index(i))
		}
	case reflect.Struct:
		typ := v.Type()
		if _, ok := forms[typ]; ok || typ == reflect.TypeFor[jsontext.Value]() {
			return
		}
		for f := range fieldsOf(typ) {
			in, _, _ := strings.Cut(f.in.Name(), "[")
			x := v.FieldByName(f.Name)
			shown[in+"."+f.name] = shown[in+"."+f.name] || !x.IsZero()
			show(shown, x)
		}
	}
}
