package wireproxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The parts of the MongoDB wire protocol that the proxy has to know.
const (
	headerSize = 16
	opQuery    = 2004
	opMsg      = 2013

	flagChecksum   = 1 << 0
	flagMoreToCome = 1 << 1

	// maxMessage is the largest message that a MongoDB server takes.
	maxMessage = 48_000_000
)

var errMessage = errors.New("malformed message")

// message is one message of the wire protocol, header included.
type message []byte

func readMessage(r io.Reader) (message, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n < headerSize || n > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes long", errMessage, n)
	}
	m := make(message, n)
	copy(m, size[:])
	if _, err := io.ReadFull(r, m[4:]); err != nil {
		return nil, err
	}
	return m, nil
}

func (m message) requestID() uint32 { return binary.LittleEndian.Uint32(m[4:]) }
func (m message) opCode() uint32    { return binary.LittleEndian.Uint32(m[12:]) }

// flags are those of an OP_MSG; other messages have none.
func (m message) flags() uint32 {
	if m.opCode() != opMsg || len(m) < headerSize+4 {
		return 0
	}
	return binary.LittleEndian.Uint32(m[headerSize:])
}

// command is the command document of a request: the section of kind 0 of an
// OP_MSG, or the query of an OP_QUERY.
func (m message) command() (bson.Raw, error) {
	switch m.opCode() {
	case opMsg:
		return m.body()
	case opQuery:
		if len(m) < headerSize+4 {
			return nil, errMessage
		}
		_, rest, ok := bytes.Cut(m[headerSize+4:], []byte{0}) // behind the collection's name
		if !ok || len(rest) < 8 {
			return nil, errMessage
		}
		return document(rest[8:]) // behind skip and limit
	default:
		return nil, fmt.Errorf("%w: opcode %d", errMessage, m.opCode())
	}
}

// body is the section of kind 0 of an OP_MSG.
func (m message) body() (bson.Raw, error) {
	section, err := m.section(0)
	if err != nil {
		return nil, err
	}
	return document(section)
}

// section is the first section of a kind of an OP_MSG, without the kind.
func (m message) section(kind byte) ([]byte, error) {
	if m.opCode() != opMsg || len(m) < headerSize+5 {
		return nil, errMessage
	}
	sections := m[headerSize+4:]
	if m.flags()&flagChecksum != 0 {
		if len(sections) < 4 {
			return nil, errMessage
		}
		sections = sections[:len(sections)-4]
	}
	for len(sections) > 5 {
		at, rest := sections[0], sections[1:]
		n := int(binary.LittleEndian.Uint32(rest))
		if n < 5 || n > len(rest) {
			return nil, errMessage
		}
		if at == kind {
			return rest[:n], nil
		}
		sections = rest[n:]
	}
	return nil, errMessage
}

// documents are those that an insert brings, in a section of kind 1 or inside the
// command.
func (m message) documents() (docs []bson.Raw, err error) {
	section, err := m.section(1)
	if err != nil {
		command, err := m.command()
		if err != nil {
			return nil, err
		}
		list, ok := command.Lookup("documents").ArrayOK()
		if !ok {
			return nil, fmt.Errorf("%w: no documents", errMessage)
		}
		values, err := list.Values()
		for _, v := range values {
			docs = append(docs, v.Document())
		}
		return docs, err
	}
	_, rest, ok := bytes.Cut(section[4:], []byte{0}) // behind the size and the name
	for ok && len(rest) > 0 {
		d, err := document(rest)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
		rest = rest[len(d):]
	}
	return docs, nil
}

// document is the BSON document that b begins with.
func document(b []byte) (bson.Raw, error) {
	if len(b) < 5 {
		return nil, errMessage
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n < 5 || n > len(b) {
		return nil, errMessage
	}
	return bson.Raw(b[:n]), nil
}

// name is the name of a command and the collection that it speaks of, "" where
// it speaks of none.
func name(command bson.Raw) (cmd, collection string) {
	first, err := command.IndexErr(0)
	if err != nil {
		return "", ""
	}
	collection, _ = first.Value().StringValueOK()
	return first.Key(), collection
}

// reply makes the OP_MSG that answers a request with doc.
func reply(requestID uint32, doc bson.Raw) message {
	m := ofBody(doc)
	binary.LittleEndian.PutUint32(m[8:], requestID)
	return m
}

// ofBody is an OP_MSG of nothing but a body.
func ofBody(doc bson.Raw) message {
	m := make(message, headerSize+5, headerSize+5+len(doc))
	binary.LittleEndian.PutUint32(m[0:], uint32(headerSize+5+len(doc)))
	binary.LittleEndian.PutUint32(m[12:], opMsg)
	return append(m, doc...)
}
