package spec

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/contract"
)

// parsed are the committed contracts, to be changed.
func parsed(t *testing.T) (*OpenAPI, *AsyncAPI) {
	t.Helper()
	http, socket := new(OpenAPI), new(AsyncAPI)
	if err := json.Unmarshal(contract.OpenAPI(), http); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(contract.AsyncAPI(), socket); err != nil {
		t.Fatal(err)
	}
	return http, socket
}

// breaking changes both contracts and lists what that breaks.
func breaking(t *testing.T, change func(*OpenAPI, *AsyncAPI)) []Change {
	t.Helper()
	http, socket := parsed(t)
	change(http, socket)
	a, err := http.BreakingSince(contract.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	b, err := socket.BreakingSince(contract.AsyncAPI())
	if err != nil {
		t.Fatal(err)
	}
	return append(a, b...)
}

func TestIncompatibleChanges(t *testing.T) {
	conv := "/v1/conversations/{conv}"
	for _, c := range []struct {
		name   string
		where  string
		remedy string
		change func(*OpenAPI, *AsyncAPI)
	}{
		{"field of an answer removed", "GET /v1/conversations/{conv}, answer 200, unread", "keep the field",
			func(h *OpenAPI, _ *AsyncAPI) { delete(h.Components.Schemas["Conversation"].Properties, "unread") }},
		{"field of a request removed", "POST /v1/messages, body, silent", "take it, and ignore it",
			func(h *OpenAPI, _ *AsyncAPI) { delete(h.Components.Schemas["PostMessage"].Properties, "silent") }},
		{"type of a field", "frame ack, dup", "add a field of another name",
			func(_ *OpenAPI, s *AsyncAPI) {
				s.Components.Schemas["AckFrame"].Properties["dup"] = &Schema{Type: "string"}
			}},
		{"type deep inside", "frame page, items[], time", "add a field of another name",
			func(_ *OpenAPI, s *AsyncAPI) { s.Components.Schemas["Time"].Format = "" }},
		{"required field in a request", "POST /v1/conversations, body, topic", "make it optional",
			func(h *OpenAPI, _ *AsyncAPI) {
				g := h.Components.Schemas["NewGroup"]
				g.Properties["topic"] = &Schema{Type: "string"}
				g.Required = append(g.Required, "topic")
			}},
		{"optional field of a frame required", "frame hello, token", "make it optional",
			func(_ *OpenAPI, s *AsyncAPI) {
				f := s.Components.Schemas["HelloFrame"]
				f.Required = append(f.Required, "token")
			}},
		{"answer may lack a field", "frame ack, time", "always give it",
			func(_ *OpenAPI, s *AsyncAPI) {
				f := s.Components.Schemas["AckFrame"]
				f.Required = []string{"type", "conv", "seq", "cmid", "id"}
			}},
		{"path removed", "GET " + conv, "keep the route", func(h *OpenAPI, _ *AsyncAPI) { delete(h.Paths, conv) }},
		{"method removed", "PATCH " + conv, "keep the route", func(h *OpenAPI, _ *AsyncAPI) { delete(h.Paths[conv], "patch") }},
		{"success removed", "POST /v1/conversations, answer 201", "keep answering so",
			func(h *OpenAPI, _ *AsyncAPI) { delete(h.Paths["/v1/conversations"]["post"].Responses, "201") }},
		{"parameter removed", "GET /v1/conversations, parameter cursor", "keep it",
			func(h *OpenAPI, _ *AsyncAPI) {
				op := h.Paths["/v1/conversations"]["get"]
				op.Parameters = op.Parameters[1:]
			}},
		{"parameter required", "DELETE " + conv + ", parameter cmid", "make it optional",
			func(h *OpenAPI, _ *AsyncAPI) {
				op := h.Paths[conv]["delete"]
				op.Parameters[len(op.Parameters)-1].Required = true
			}},
		{"token asked for", "GET /openapi.json", "a route of its own",
			func(h *OpenAPI, _ *AsyncAPI) { h.Paths["/openapi.json"]["get"].Security = nil }},
		{"body asked for", "GET " + conv + ", body", "make every part of it optional",
			func(h *OpenAPI, _ *AsyncAPI) { h.Paths[conv]["get"].Body = &HTTPContent{Required: true} }},
		{"frame of clients removed", "frame typing", "take it and do nothing",
			func(_ *OpenAPI, s *AsyncAPI) { delete(s.Components.Messages, "typing") }},
		{"frame of the server removed", "frame receipt", "beside the new one",
			func(_ *OpenAPI, s *AsyncAPI) { delete(s.Components.Messages, "receipt") }},
		{"value removed from a request", "PUT " + conv + "/members/{user}, body, role", "keep taking",
			func(h *OpenAPI, _ *AsyncAPI) { h.Components.Schemas["Role"].Enum = []string{"member", "owner"} }},
		{"stricter pattern", "frame send, to", "keep taking",
			func(_ *OpenAPI, s *AsyncAPI) { s.Components.Schemas["User"].Pattern = "^[a-z]+$" }},
		{"shorter text", "frame ping, ref", "keep taking",
			func(_ *OpenAPI, s *AsyncAPI) { s.Components.Schemas["PingFrame"].Properties["ref"].MaxLength = 8 }},
		{"unknown fields refused", "frame hello", "keep taking",
			func(_ *OpenAPI, s *AsyncAPI) { s.Components.Schemas["HelloFrame"].Others = &Others{} }},
		{"other choice of fields", "frame history", "keep taking",
			func(_ *OpenAPI, s *AsyncAPI) {
				f := s.Components.Schemas["HistoryFrame"]
				f.OneOf = f.OneOf[1:]
			}},
		{"another type beside it, and it stricter", "frame ping, ref", "keep taking",
			func(_ *OpenAPI, s *AsyncAPI) {
				s.Components.Schemas["PingFrame"].Properties["ref"] = &Schema{OneOf: []*Schema{{Type: "null"}, {Type: "string", MaxLength: 8}}}
			}},
		{"null no longer taken", "PUT " + conv + "/retention, body, keep", "keep taking",
			func(h *OpenAPI, _ *AsyncAPI) {
				h.Components.Schemas["KeepFor"].OneOf = []*Schema{{Type: "string"}}
			}},
		{"an answer may be null", "frame ack, ref", "another name",
			func(_ *OpenAPI, s *AsyncAPI) {
				s.Components.Schemas["AckFrame"].Properties["ref"] = &Schema{OneOf: []*Schema{{Type: "string"}, {Type: "null"}}}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			changes := breaking(t, c.change)
			for _, found := range changes {
				if found.Where == c.where && found.What != "" && strings.Contains(found.Remedy, c.remedy) {
					if text := Explain(changes); !strings.Contains(text, c.where) || !strings.Contains(text, c.remedy) {
						t.Error(text)
					}
					return
				}
			}
			t.Errorf("found %+v", changes)
		})
	}
}

func TestCompatibleChanges(t *testing.T) {
	for name, change := range map[string]func(*OpenAPI, *AsyncAPI){
		"nothing": func(*OpenAPI, *AsyncAPI) {},
		"optional field in a request": func(h *OpenAPI, s *AsyncAPI) {
			h.Components.Schemas["NewGroup"].Properties["topic"] = &Schema{Type: "string"}
			s.Components.Schemas["SendFrame"].Properties["thread"] = &Schema{Type: "integer"}
		},
		"field in an answer": func(h *OpenAPI, s *AsyncAPI) {
			c := h.Components.Schemas["Conversation"]
			c.Properties["topic"], c.Required = &Schema{Type: "string"}, append(c.Required, "topic")
			s.Components.Schemas["WelcomeFrame"].Properties["region"] = &Schema{Type: "string"}
		},
		"route": func(h *OpenAPI, _ *AsyncAPI) {
			h.Paths["/v1/friends/{user}"] = map[string]*HTTPOperation{"put": {ID: "block"}}
		},
		"frame": func(_ *OpenAPI, s *AsyncAPI) {
			s.Components.Messages["poke"] = &Message{Name: "poke", Payload: &Schema{Type: "object"}}
		},
		"parameter": func(h *OpenAPI, _ *AsyncAPI) {
			op := h.Paths["/v1/conversations"]["get"]
			op.Parameters = append(op.Parameters, HTTPParameter{Name: "archived", In: "query", Schema: &Schema{Type: "boolean"}})
		},
		"value": func(h *OpenAPI, s *AsyncAPI) {
			h.Components.Schemas["Role"].Enum = append(h.Components.Schemas["Role"].Enum, "guest")
			s.Components.Schemas["Code"].Enum = append(s.Components.Schemas["Code"].Enum, "teapot")
		},
		"wider": func(_ *OpenAPI, s *AsyncAPI) {
			s.Components.Schemas["CMID"].Pattern = ""
			s.Components.Schemas["PingFrame"].Properties["ref"].MaxLength = 128
			s.Components.Schemas["RecvFrame"].Others = nil
			f := s.Components.Schemas["HistoryFrame"]
			f.OneOf = append(f.OneOf, &Schema{Required: []string{"from_time"}})
			s.Components.Schemas["PingFrame"].Properties["ref"] = &Schema{OneOf: []*Schema{{Type: "null"}, {Type: "string"}}}
		},
		"schema of another name": func(_ *OpenAPI, s *AsyncAPI) {
			all := s.Components.Schemas
			all["Count"] = all["Seq"]
			all["RecvFrame"].Properties["seq"] = &Schema{Ref: "#/components/schemas/Count"}
		},
		"texts": func(h *OpenAPI, _ *AsyncAPI) { h.Info.Description, h.Components.Schemas["Unread"].Description = "", "" },
	} {
		if changes := breaking(t, change); len(changes) > 0 {
			t.Errorf("%s: %s", name, Explain(changes))
		}
	}
}

// A document that is written and read again is the same.
func TestDocumentsSurviveWriting(t *testing.T) {
	http, socket := parsed(t)
	var a, b bytes.Buffer
	if err := Write(&a, http); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b, socket); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), contract.OpenAPI()) || !bytes.Equal(b.Bytes(), contract.AsyncAPI()) {
		t.Error("they differ")
	}
	if _, err := http.BreakingSince([]byte("<<<<<<< ours")); err == nil {
		t.Error("a conflict was compared")
	}
}
