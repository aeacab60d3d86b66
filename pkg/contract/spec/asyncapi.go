package spec

import (
	"reflect"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// AsyncAPI is a document of AsyncAPI 3, as far as it is needed here. It is written
// from the server's side: what it receives is what clients send.
type AsyncAPI struct {
	AsyncAPI    string                      `json:"asyncapi"`
	Info        Info                        `json:"info"`
	ContentType string                      `json:"defaultContentType"`
	Channels    map[string]*Channel         `json:"channels"`
	Operations  map[string]*SocketOperation `json:"operations"`
	Components  SocketComponents            `json:"components"`
}

// Channel is an address, and all that goes over it.
type Channel struct {
	Address     string             `json:"address"`
	Description string             `json:"description"`
	Messages    map[string]*Schema `json:"messages"` // references
}

// SocketOperation is one direction of a channel.
type SocketOperation struct {
	Action   string    `json:"action"`
	Summary  string    `json:"summary"`
	Channel  *Schema   `json:"channel"`  // a reference
	Messages []*Schema `json:"messages"` // references
}

// SocketComponents are what the rest refers to.
type SocketComponents struct {
	Messages map[string]*Message `json:"messages"`
	Schemas  map[string]*Schema  `json:"schemas"`
}

// Message is one type of frame.
type Message struct {
	Name    string  `json:"name"`
	Summary string  `json:"summary"`
	Payload *Schema `json:"payload"`
}

const socketText = "One WebSocket, subprotocol parley.v1: JSON text frames, one object a frame. The first frame is hello; its " +
	"answer is welcome. A client ignores fields that it does not know, and types that it does not know, except that it moves its cursor " +
	"on every frame with a count. In the frames of clients the server refuses unknown fields, except in hello."

func asyncAPI(source *source) *AsyncAPI {
	doc := &AsyncAPI{
		AsyncAPI: "3.0.0", ContentType: "application/json",
		Info: Info{Title: "Parley, the socket", Version: Version, Description: socketText},
		Channels: map[string]*Channel{"socket": {
			Address: "/v1/ws", Description: "The socket of one device.", Messages: map[string]*Schema{},
		}},
		Operations: map[string]*SocketOperation{},
		Components: SocketComponents{Messages: map[string]*Message{}, Schemas: map[string]*Schema{}},
	}
	made := map[string]reflect.Type{}
	directions := []struct {
		name, action, summary string
		client                bool
	}{
		{"fromClient", "receive", "What a client sends.", true},
		{"toClient", "send", "What the server sends.", false},
	}
	for _, d := range directions {
		g := &generator{source: source, schemas: doc.Components.Schemas, made: made, client: d.client}
		op := &SocketOperation{Action: d.action, Summary: d.summary, Channel: &Schema{Ref: "#/channels/socket"}}
		for i := range Frames {
			f := &Frames[i]
			if f.Client != d.client {
				continue
			}
			s := g.frame(f)
			doc.Components.Schemas[f.SchemaName()] = s
			doc.Components.Messages[f.MessageName()] = &Message{
				Name: f.Type, Summary: s.Description, Payload: &Schema{Ref: "#/components/schemas/" + f.SchemaName()},
			}
			doc.Channels["socket"].Messages[f.MessageName()] = &Schema{Ref: "#/components/messages/" + f.MessageName()}
			op.Messages = append(op.Messages, &Schema{Ref: "#/channels/socket/messages/" + f.MessageName()})
		}
		doc.Operations[d.name] = op
	}
	return doc
}

// frame is the schema of a frame.
func (g *generator) frame(f *Frame) *Schema {
	s := g.object(reflect.TypeOf(f.Value))
	narrow(s, f.Only, "type "+f.Require, f.OneOf)
	if f.Summary != "" {
		s.Description = f.Summary
	}
	s.Properties["type"] = &Schema{Const: f.Type}
	if !f.Client {
		return s
	}
	s.Properties["ref"] = &Schema{Type: "string", MaxLength: chat.MaxRef, Description: "echoed on the answer"}
	if f.Type != (*wire.Hello)(nil).Name() {
		s.Others = &Others{}
	}
	return s
}
