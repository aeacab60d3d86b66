package spec

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/pkg/wire"
)

// OpenAPI is a document of OpenAPI 3.1, as far as it is needed here.
type OpenAPI struct {
	OpenAPI    string                               `json:"openapi"`
	Info       Info                                 `json:"info"`
	Security   []Security                           `json:"security"`
	Paths      map[string]map[string]*HTTPOperation `json:"paths"` // by path and method in lower case
	Components HTTPComponents                       `json:"components"`
}

// Security names a scheme that a request must satisfy.
type Security map[string][]string

// HTTPOperation is one request.
type HTTPOperation struct {
	ID         string                  `json:"operationId"`
	Summary    string                  `json:"summary"`
	Security   []Security              `json:"security,omitzero"` // empty and not nil: none
	Parameters []HTTPParameter         `json:"parameters,omitempty"`
	Body       *HTTPContent            `json:"requestBody,omitempty"`
	Responses  map[string]*HTTPContent `json:"responses"` // by status, or "default"
}

// HTTPParameter is a parameter in a path, query or header.
type HTTPParameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Required    bool    `json:"required,omitzero"`
	Description string  `json:"description,omitempty"`
	Schema      *Schema `json:"schema"`
}

// HTTPContent is a body and what it is for: of a request, or an answer.
type HTTPContent struct {
	Description string                `json:"description,omitempty"`
	Required    bool                  `json:"required,omitzero"`
	Content     map[string]*MediaType `json:"content,omitempty"` // by content type
}

// MediaType is a body of one content type.
type MediaType struct {
	Schema *Schema `json:"schema,omitempty"`
}

// HTTPComponents are what the rest refers to.
type HTTPComponents struct {
	Schemas         map[string]*Schema         `json:"schemas"`
	SecuritySchemes map[string]*SecurityScheme `json:"securitySchemes"`
}

// SecurityScheme is a way to say who one is.
type SecurityScheme struct {
	Type         string `json:"type"`
	Scheme       string `json:"scheme"`
	BearerFormat string `json:"bearerFormat"`
}

const httpText = "Reads are answered by the history service, writes by a gateway; clients see one address. Writes take a cmid, in the body or " +
	"query or in the header Idempotency-Key: repeated, they answer the same. 503 says nothing about the outcome: repeat the request unchanged. " +
	"Errors are application/problem+json. Clients ignore fields that they do not know; in bodies of requests unknown fields are refused."

func openAPI(source *source) *OpenAPI {
	doc := &OpenAPI{
		OpenAPI: "3.1.0", Info: Info{Title: "Parley, HTTP", Version: Version, Description: httpText},
		Security: []Security{{"token": {}}},
		Paths:    map[string]map[string]*HTTPOperation{},
		Components: HTTPComponents{
			Schemas:         map[string]*Schema{},
			SecuritySchemes: map[string]*SecurityScheme{"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}},
		},
	}
	made := map[string]reflect.Type{}
	asked := &generator{source: source, schemas: doc.Components.Schemas, made: made, client: true}
	answered := &generator{source: source, schemas: doc.Components.Schemas, made: made}
	problem := answered.of(reflect.TypeFor[wire.Problem]())
	for i := range Operations {
		o := &Operations[i]
		op := &HTTPOperation{
			ID: o.ID, Summary: o.Summary, Parameters: asked.parameters(o), Body: asked.request(o),
			Responses: map[string]*HTTPContent{"default": {
				Description: "An error.", Content: map[string]*MediaType{"application/problem+json": {problem}},
			}},
		}
		if o.Open {
			op.Security = []Security{}
		}
		for _, a := range o.Answers {
			content := &HTTPContent{Description: a.Doc}
			if value, typ := a.body(); typ != "" {
				content.Content = map[string]*MediaType{typ: {}}
				if value != nil {
					content.Content[typ].Schema = answered.of(reflect.TypeOf(value))
				}
			}
			op.Responses[strconv.Itoa(a.Status)] = content
		}
		if doc.Paths[o.Path] == nil {
			doc.Paths[o.Path] = map[string]*HTTPOperation{}
		}
		doc.Paths[o.Path][strings.ToLower(o.Method)] = op
	}
	return doc
}

var inPath = regexp.MustCompile(`{(\w+)}`)

func (g *generator) parameters(o *Operation) (list []HTTPParameter) {
	for _, m := range inPath.FindAllStringSubmatch(o.Path, -1) {
		t := pathParameters[m[1]]
		if t == nil {
			fail("%s has a %s: say in spec/operations.go: pathParameters what it is", o.Path, m[0])
		}
		list = append(list, HTTPParameter{Name: m[1], In: "path", Required: true, Schema: g.of(t)})
	}
	for _, q := range o.Query {
		list = append(list, HTTPParameter{Name: q.Name, In: "query", Required: q.Required, Description: q.Doc, Schema: g.of(reflect.TypeOf(q.Value))})
	}
	return list
}

// request is the body of a request: a schema of its own, because the server refuses
// what it does not know.
func (g *generator) request(o *Operation) *HTTPContent {
	if o.Body == nil {
		return nil
	}
	t := reflect.TypeOf(o.Body)
	ref := g.component(t, func() *Schema {
		s := g.object(t)
		narrow(s, "", "", o.OneOf)
		s.Others = &Others{}
		return s
	})
	return &HTTPContent{Required: true, Content: map[string]*MediaType{"application/json": {ref}}}
}
