// Package spec makes Parley's contracts from its Go types: OpenAPI for HTTP and
// AsyncAPI for the socket. It is for `make contracts` and for tests; what services
// serve is the result, in package contract.
//
// What is in the contracts is listed in two places: frames.go has the frames,
// operations.go the requests. Everything else follows: properties from the fields of
// the structs and their tags (omitempty and omitzero: it may be missing), enumerations
// from the constants of a type, descriptions from comments. compat.go tells which
// changes break those who rely on a contract.
package spec

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Version is that of the protocol: a contract of another version is another
// contract.
const Version = "1"

// Info says what a document is about.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

// Documents makes the contracts from the types as they are below the module's root
// folder. The error says which type it cannot describe, and what to do about it.
func Documents(root string) (http *OpenAPI, socket *AsyncAPI, err error) {
	source, err := readSource(root)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			http, socket, err = nil, nil, fmt.Errorf("make the contracts: %w", f.error)
		}
	}()
	return openAPI(source), asyncAPI(source), nil
}

// Write writes a document as it is committed and served.
func Write(w io.Writer, document any) error {
	if err := json.MarshalWrite(w, document, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("write contract: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// narrow makes the schema of one frame or body out of its struct's.
func narrow(s *Schema, only, require, oneOf string) {
	if names := strings.Fields(only); len(names) > 0 {
		for name := range s.Properties {
			if !slices.Contains(names, name) {
				delete(s.Properties, name)
			}
		}
		for _, name := range names {
			if s.Properties[name] == nil {
				fail("there is no field %q to be shown", name)
			}
		}
	}
	for _, name := range strings.Fields(require) {
		if s.Properties[name] == nil {
			fail("there is no field %q to be required", name)
		}
		if !slices.Contains(s.Required, name) {
			s.Required = append(s.Required, name)
		}
	}
	for _, name := range strings.Fields(oneOf) {
		if s.Properties[name] == nil {
			fail("there is no field %q to be chosen", name)
		}
		s.OneOf = append(s.OneOf, &Schema{Required: []string{name}})
	}
	slices.Sort(s.Required)
}
