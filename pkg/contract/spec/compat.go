package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// Change is one that breaks somebody who relies on the old contract.
type Change struct {
	Where  string // such as "PUT /v1/…, body, role"
	What   string
	Remedy string // how to get what is wanted without breaking anybody
}

// Explain is the changes as an error tells them.
func Explain(changes []Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d incompatible changes of the contract; clients that are out there would break:\n", len(changes))
	for _, c := range changes {
		fmt.Fprintf(&b, "  %s: %s\n      instead: %s\n", c.Where, c.What, c.Remedy)
	}
	b.WriteString("Only what was in no release may be changed so: go run ./pkg/contract/cmd/contracts -breaking")
	return b.String()
}

// BreakingSince lists what of an older document, as JSON, this one breaks. What is
// new, and may be left alone, breaks nobody.
func (d *OpenAPI) BreakingSince(old []byte) ([]Change, error) {
	var was OpenAPI
	if err := json.Unmarshal(old, &was); err != nil {
		return nil, fmt.Errorf("read the old %s: %w", d.Info.Title, err)
	}
	c := &comparison{old: was.Components.Schemas, now: d.Components.Schemas}
	for _, path := range slices.Sorted(maps.Keys(was.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(was.Paths[path])) {
			where := strings.ToUpper(method) + " " + path
			op := d.Paths[path][method]
			if op == nil {
				c.found(where, "is no more", "keep the route, and let the new one do its work")
				continue
			}
			c.operation(where, was.Paths[path][method], op)
		}
	}
	return c.changes, nil
}

// BreakingSince is [OpenAPI.BreakingSince] for the socket.
func (d *AsyncAPI) BreakingSince(old []byte) ([]Change, error) {
	var was AsyncAPI
	if err := json.Unmarshal(old, &was); err != nil {
		return nil, fmt.Errorf("read the old %s: %w", d.Info.Title, err)
	}
	c := &comparison{old: was.Components.Schemas, now: d.Components.Schemas}
	for _, f := range slices.Sorted(maps.Keys(was.Components.Messages)) {
		where := "frame " + f
		m := d.Components.Messages[f]
		if m == nil {
			c.found(where, "is no more", "keep it: take it and do nothing, or send it beside the new one")
			continue
		}
		c.schema(where, was.Components.Messages[f].Payload, m.Payload, was.receives(f))
	}
	return c.changes, nil
}

// receives reports whether a frame is one that clients send.
func (d *AsyncAPI) receives(frame string) bool {
	for _, op := range d.Operations {
		for _, m := range op.Messages {
			if op.Action == "receive" && strings.HasSuffix(m.Ref, "/"+frame) {
				return true
			}
		}
	}
	return false
}

// comparison is of two documents' schemas.
type comparison struct {
	old, now map[string]*Schema
	changes  []Change
	open     []string // pairs of references being compared: types may contain themselves
}

func (c *comparison) found(where, what, remedy string) {
	c.changes = append(c.changes, Change{where, what, remedy})
}

func (c *comparison) operation(where string, was, now *HTTPOperation) {
	for _, p := range was.Parameters {
		i := slices.IndexFunc(now.Parameters, func(n HTTPParameter) bool { return n.Name == p.Name && n.In == p.In })
		if i < 0 {
			c.found(where+", parameter "+p.Name, "is no more", "keep it, and ignore it where it has lost its meaning")
			continue
		}
		c.schema(where+", parameter "+p.Name, p.Schema, now.Parameters[i].Schema, true)
	}
	for _, p := range now.Parameters {
		known := slices.ContainsFunc(was.Parameters, func(w HTTPParameter) bool { return w.Name == p.Name && w.In == p.In && w.Required })
		if p.Required && !known {
			c.found(where+", parameter "+p.Name, "is required now", "make it optional, with a default that does what was done before")
		}
	}
	if was.Security != nil && now.Security == nil {
		c.found(where, "asks for a token now", "make a route of its own for what needs one")
	}
	switch {
	case was.Body == nil && now.Body != nil && now.Body.Required:
		c.found(where+", body", "is required now", "make every part of it optional, and let it be left out")
	case was.Body != nil && now.Body == nil:
		c.found(where+", body", "is no more", "keep taking it, and ignore it")
	}
	c.content(where+", body", was.Body, now.Body, true)
	for _, status := range slices.Sorted(maps.Keys(was.Responses)) {
		if now.Responses[status] == nil {
			c.found(where+", answer "+status, "is no more", "keep answering so for what was asked before")
			continue
		}
		c.content(where+", answer "+status, was.Responses[status], now.Responses[status], false)
	}
}

func (c *comparison) content(where string, was, now *HTTPContent, request bool) {
	if was == nil || now == nil {
		return
	}
	for _, t := range slices.Sorted(maps.Keys(was.Content)) {
		if now.Content[t] == nil {
			c.found(where, "is no longer "+t, "keep that type, and choose by Accept or Content-Type")
			continue
		}
		c.schema(where, was.Content[t].Schema, now.Content[t].Schema, request)
	}
}

// follow resolves a reference.
func follow(s *Schema, in map[string]*Schema) *Schema {
	if s != nil && s.Ref != "" {
		return in[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// schema compares what may be sent (request) or is answered.
func (c *comparison) schema(where string, was, now *Schema, request bool) {
	if was == nil || now == nil {
		if was != nil {
			c.found(where, "has lost its form", "describe it as it was")
		}
		return
	}
	if was.Ref != "" {
		pair := was.Ref + " " + now.Ref
		if slices.Contains(c.open, pair) {
			return
		}
		c.open = append(c.open, pair)
		defer func() { c.open = c.open[:len(c.open)-1] }()
	}
	was, now = follow(was, c.old), follow(now, c.now)
	if was == nil || now == nil {
		c.found(where, "refers to nothing", "run make contracts on both sides")
		return
	}
	if i := slices.IndexFunc(now.OneOf, func(n *Schema) bool { return n.Type == was.Type }); request && was.Type != "" && now.Type == "" && i >= 0 {
		now = now.OneOf[i] // what was taken still is, beside something else
	}
	if was.Type != now.Type || was.Format != now.Format || was.Const != now.Const {
		c.found(where, fmt.Sprintf("was %s, is %s", was.kind(), now.kind()),
			"leave it, and add a field of another name beside it")
		return
	}
	if request {
		c.narrower(where, was, now)
	}
	c.properties(where, was, now, request)
	if was.Items != nil {
		c.schema(where+"[]", was.Items, now.Items, request)
	}
	if was.Others != nil && was.Others.Schema != nil && now.Others != nil {
		c.schema(where+".*", was.Others.Schema, now.Others.Schema, request)
	}
}

// kind is a schema's type in a message.
func (s *Schema) kind() string {
	switch {
	case s.Const != "":
		return fmt.Sprintf("%q", s.Const)
	case s.Format != "":
		return s.Type + " " + s.Format
	case s.Type == "":
		return "anything"
	}
	return s.Type
}

// narrower finds what could be sent and cannot any more.
func (c *comparison) narrower(where string, was, now *Schema) {
	const remedy = "keep taking what was taken before"
	if now.Pattern != was.Pattern && now.Pattern != "" {
		c.found(where, fmt.Sprintf("must match %s now", now.Pattern), remedy)
	}
	if now.MaxLength != 0 && (was.MaxLength == 0 || now.MaxLength < was.MaxLength) {
		c.found(where, fmt.Sprintf("has at most %d characters now", now.MaxLength), remedy)
	}
	if now.Minimum != nil && (was.Minimum == nil || *now.Minimum > *was.Minimum) {
		c.found(where, fmt.Sprintf("is at least %d now", *now.Minimum), remedy)
	}
	if now.Maximum != nil && (was.Maximum == nil || *now.Maximum < *was.Maximum) {
		c.found(where, fmt.Sprintf("is at most %d now", *now.Maximum), remedy)
	}
	for _, v := range was.Enum {
		if len(now.Enum) > 0 && !slices.Contains(now.Enum, v) {
			c.found(where, fmt.Sprintf("cannot be %q any more", v), remedy)
		}
	}
	if len(was.Enum) == 0 && len(now.Enum) > 0 {
		c.found(where, "takes only some values now", remedy)
	}
	closed := func(s *Schema) bool { return s.Others != nil && s.Others.Schema == nil }
	if !closed(was) && closed(now) {
		c.found(where, "takes no other fields any more", remedy)
	}
	same := func(a, b *Schema) bool { return a.Type == b.Type && slices.Equal(a.Required, b.Required) }
	if len(now.OneOf) > 0 && !slices.EqualFunc(now.OneOf, was.OneOf, same) {
		grown := len(was.OneOf) > 0
		for _, w := range was.OneOf {
			grown = grown && slices.ContainsFunc(now.OneOf, func(n *Schema) bool { return same(n, w) })
		}
		if !grown {
			c.found(where, "has another choice of fields", remedy)
		}
	}
}

func (c *comparison) properties(where string, was, now *Schema, request bool) {
	for _, name := range slices.Sorted(maps.Keys(was.Properties)) {
		at := where + ", " + name
		p := now.Properties[name]
		switch {
		case p == nil && request:
			c.found(at, "is no more", "keep the field: take it, and ignore it")
		case p == nil:
			c.found(at, "is no more", "keep the field, and fill it as well as can be")
		default:
			c.schema(at, was.Properties[name], p, request)
		}
		if !request && p != nil && slices.Contains(was.Required, name) && !slices.Contains(now.Required, name) {
			c.found(at, "may be missing now", "always give it: no omitempty or omitzero in its tag")
		}
	}
	for _, name := range now.Required {
		if request && !slices.Contains(was.Required, name) {
			c.found(where+", "+name, "is required now",
				"make it optional (omitempty, or a pointer that may be nil), and do what was done before where it is missing")
		}
	}
}
