// Package mongomem is a small MongoDB-wire server that keeps its data in memory
// and uses indexes: of the commands and operators just those that mongostore
// sends, with the atomicity of single documents and the unique indexes that the
// store relies on.
//
// It is there because FerretDB, which judges whether mongostore is right, reads a
// whole collection for every question: under load its times hide those of Parley.
// Here a question costs what it costs on MongoDB's primary index. The store's
// conformance suite runs against both. It is a single node, so what it has applied
// is a majority's; it knows no transactions, no sessions, no access control, and
// refuses what it does not know.
package mongomem

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	headerSize = 16
	opMsg      = 2013
	maxMessage = 48_000_000 // of MongoDB

	flagChecksum = 1 << 0
)

// Server is a server and its data. The zero value is not ready: see [New].
type Server struct {
	// Observe, if set before Serve, is told of each command on a collection before it
	// is answered. It runs under the server's lock: it must not block.
	Observe func(Command)

	mu          sync.Mutex
	collections map[string]*collection // by database and name
	conns       sync.WaitGroup
}

// New makes an empty server.
func New() *Server { return &Server{collections: make(map[string]*collection)} }

// Serve answers connections of ln until ctx ends; then it closes them all, waits
// for them, and returns ctx's error.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.conns.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		nc, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = nc.Close()
			}
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		s.conns.Go(func() {
			over := context.AfterFunc(ctx, func() { _ = nc.Close() })
			defer over()
			defer nc.Close()
			s.answer(nc)
		})
	}
}

// answer answers the requests of one connection, one after the other, until it is
// closed or sends what cannot be read.
func (s *Server) answer(nc net.Conn) {
	for {
		id, body, err := readRequest(nc)
		if err != nil {
			return
		}
		answer, did := s.run(body)
		doc, err := bson.Marshal(answer)
		if err != nil {
			return
		}
		s.observe(did, headerSize+5+len(doc))
		out := make([]byte, headerSize+5, headerSize+5+len(doc))
		binary.LittleEndian.PutUint32(out[0:], uint32(headerSize+5+len(doc)))
		binary.LittleEndian.PutUint32(out[8:], id)
		binary.LittleEndian.PutUint32(out[12:], opMsg)
		if _, err := nc.Write(append(out, doc...)); err != nil {
			return
		}
	}
}

var errMessage = errors.New("malformed message")

// request is a command, with the documents of its sequences (section kind 1).
type request struct {
	bson.Raw
	sequences map[string][]bson.Raw
	size      int // bytes of the message
}

// list is the documents of a list field: in the command itself or in a sequence.
func (r *request) list(field string) ([]bson.Raw, error) {
	if docs, ok := r.sequences[field]; ok {
		return docs, nil
	}
	array, ok := r.Lookup(field).ArrayOK()
	if !ok {
		return nil, refuse(codeBadValue, "%q is missing", field)
	}
	values, err := array.Values()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", field, err)
	}
	docs := make([]bson.Raw, len(values))
	for i, v := range values {
		if docs[i], ok = v.DocumentOK(); !ok {
			return nil, refuse(codeBadValue, "%q holds what is not a document", field)
		}
	}
	return docs, nil
}

func readRequest(r io.Reader) (id uint32, req *request, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err //nolint:wrapcheck // the connection's end
	}
	n := binary.LittleEndian.Uint32(header[0:])
	if n < headerSize+9 || n > maxMessage || binary.LittleEndian.Uint32(header[12:]) != opMsg {
		return 0, nil, errMessage
	}
	b := make([]byte, n-headerSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, nil, err //nolint:wrapcheck // the connection's end
	}
	if binary.LittleEndian.Uint32(b)&flagChecksum != 0 {
		b = b[:len(b)-4]
	}
	req = &request{size: int(n)}
	for b = b[4:]; len(b) > 5; {
		kind, size := b[0], int(binary.LittleEndian.Uint32(b[1:]))
		if size < 5 || size > len(b)-1 {
			return 0, nil, errMessage
		}
		section := b[1 : 1+size]
		b = b[1+size:]
		if kind == 0 {
			req.Raw = bson.Raw(section)
			continue
		}
		if err := req.addSequence(section[4:]); err != nil {
			return 0, nil, err
		}
	}
	if req.Raw == nil || req.Validate() != nil {
		return 0, nil, errMessage
	}
	return binary.LittleEndian.Uint32(header[4:]), req, nil
}

func (r *request) addSequence(b []byte) error {
	end := 0
	for end < len(b) && b[end] != 0 {
		end++
	}
	if end == len(b) {
		return errMessage
	}
	name := string(b[:end])
	var docs []bson.Raw
	for b = b[end+1:]; len(b) > 0; {
		if len(b) < 5 {
			return errMessage
		}
		n := int(binary.LittleEndian.Uint32(b))
		if n < 5 || n > len(b) || bson.Raw(b[:n]).Validate() != nil {
			return errMessage
		}
		docs = append(docs, bson.Raw(b[:n]))
		b = b[n:]
	}
	if r.sequences == nil {
		r.sequences = make(map[string][]bson.Raw)
	}
	r.sequences[name] = docs
	return nil
}

// Codes of MongoDB's errors.
const (
	codeBadValue         = 2
	codeNamespaceMissing = 26
	codeNamespaceExists  = 48
	codeCommandNotFound  = 59
	codeImmutableField   = 66
	codeDuplicateKey     = 11000
)

// refusal is an error that the client is told.
type refusal struct {
	code    int32
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(code int32, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// run runs one command, and says what it did if that was something to a collection.
func (s *Server) run(req *request) (bson.D, *Command) {
	answer, did, err := s.command(req)
	if err != nil {
		r := &refusal{codeBadValue, err.Error()}
		errors.As(err, &r)
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: r.message}, {Key: "code", Value: r.code}, {Key: "codeName", Value: "Refused"}}, did
	}
	return append(answer, bson.E{Key: "ok", Value: 1.0}), did
}

// observe tells of a command before its answer leaves.
func (s *Server) observe(did *Command, sent int) {
	if did == nil || s.Observe == nil {
		return
	}
	did.Sent = sent
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Observe(*did)
}

func (s *Server) command(req *request) (bson.D, *Command, error) {
	first, err := req.IndexErr(0)
	if err != nil {
		return nil, nil, errMessage
	}
	switch first.Key() {
	case "hello", "isMaster", "ismaster":
		return bson.D{
			{Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}, {Key: "helloOk", Value: true},
			{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(maxMessage)},
			{Key: "maxWriteBatchSize", Value: int32(100_000)}, {Key: "localTime", Value: time.Now()},
			{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)}, {Key: "readOnly", Value: false},
		}, nil, nil
	case "ping", "endSessions":
		return nil, nil, nil
	case "dropDatabase":
		return nil, nil, s.dropDatabase(req)
	}
	run, ok := onCollection[first.Key()]
	name, named := first.Value().StringValueOK()
	switch {
	case first.Key() == "drop" && named:
		return nil, nil, s.drop(req, name)
	case !ok:
		return nil, nil, refuse(codeCommandNotFound, "no such command: %q", first.Key())
	case !named:
		return nil, nil, refuse(codeBadValue, "no collection is named")
	}
	return s.runOn(name, first.Key(), run, req)
}

// onCollection are the commands that name a collection, and make it where it is not
// there.
var onCollection = map[string]func(*collection, *request) (bson.D, error){
	"create":        func(*collection, *request) (bson.D, error) { return nil, nil },
	"createIndexes": (*collection).createIndexes,
	"insert":        (*collection).insert,
	"update":        (*collection).update,
	"delete":        (*collection).delete,
	"find":          (*collection).find,
	"findAndModify": (*collection).findAndModify,
}

func (s *Server) runOn(name, command string, run func(*collection, *request) (bson.D, error), req *request) (bson.D, *Command, error) {
	db, _ := req.Lookup("$db").StringValueOK()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[db+"."+name]
	if c == nil && command == "find" { // there is nothing, whatever index is named
		return cursorOf(db+"."+name, bson.A{}), (&usage{}).command(command, name, req), nil
	}
	if c == nil {
		c = &collection{name: db + "." + name, short: name}
		s.collections[c.name] = c
	} else if command == "create" {
		return nil, nil, refuse(codeNamespaceExists, "%s exists", c.name)
	}
	c.used = usage{}
	answer, err := run(c, req)
	return answer, c.used.command(command, name, req), err
}

func (s *Server) drop(req *request, name string) error {
	db, _ := req.Lookup("$db").StringValueOK()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.collections[db+"."+name] == nil {
		return refuse(codeNamespaceMissing, "ns not found")
	}
	delete(s.collections, db+"."+name)
	return nil
}

func (s *Server) dropDatabase(req *request) error {
	db, _ := req.Lookup("$db").StringValueOK()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.collections {
		if len(name) > len(db) && name[:len(db)+1] == db+"." {
			delete(s.collections, name)
		}
	}
	return nil
}
