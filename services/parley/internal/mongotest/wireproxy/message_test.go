package wireproxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func doc(t *testing.T, d bson.D) []byte {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func request(opCode uint32, parts ...[]byte) message {
	body := bytes.Join(parts, nil)
	m := make(message, headerSize)
	binary.LittleEndian.PutUint32(m, uint32(headerSize+len(body)))
	binary.LittleEndian.PutUint32(m[4:], 7)
	binary.LittleEndian.PutUint32(m[12:], opCode)
	return append(m, body...)
}

func TestCommand(t *testing.T) {
	insert := doc(t, bson.D{{Key: "insert", Value: "messages"}, {Key: "$db", Value: "x"}})
	hello := doc(t, bson.D{{Key: "hello", Value: 1}})
	sequence := append([]byte{1, 16, 0, 0, 0}, "documents\x00\x00\x00"...)
	none, checksum := []byte{0, 0, 0, 0}, []byte{flagChecksum, 0, 0, 0}
	kind0 := []byte{0}
	for _, c := range []struct {
		name      string
		m         message
		cmd, coll string
	}{
		{"body alone", request(opMsg, none, kind0, insert), "insert", "messages"},
		{"body last", request(opMsg, none, sequence, kind0, insert), "insert", "messages"},
		{"body first, checksum", request(opMsg, checksum, kind0, insert, sequence, none), "insert", "messages"},
		{"no collection", request(opMsg, none, kind0, hello), "hello", ""},
		{"old query", request(opQuery, none, []byte("admin.$cmd\x00"), none, none, hello), "hello", ""},
	} {
		d, err := c.m.command()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if cmd, coll := name(d); cmd != c.cmd || coll != c.coll {
			t.Errorf("%s: %q of %q, want %q of %q", c.name, cmd, coll, c.cmd, c.coll)
		}
	}
}

func TestMalformed(t *testing.T) {
	insert := doc(t, bson.D{{Key: "insert", Value: "messages"}})
	none := []byte{0, 0, 0, 0}
	long := append([]byte{0}, insert...)
	binary.LittleEndian.PutUint32(long[1:], 1<<30)
	for name, m := range map[string]message{
		"no sections":         request(opMsg, none),
		"no body":             request(opMsg, none, []byte{1, 16, 0, 0, 0}, []byte("documents\x00\x00\x00")),
		"length beyond":       request(opMsg, none, long),
		"length zero":         request(opMsg, none, []byte{1, 0, 0, 0, 0, 0}),
		"query without name":  request(opQuery, none, []byte("admin")),
		"query without a doc": request(opQuery, none, []byte("admin.$cmd\x00"), none, none),
		"other opcode":        request(2012, none, insert),
	} {
		if d, err := m.command(); !errors.Is(err, errMessage) {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}

func TestReadMessage(t *testing.T) {
	m := request(opMsg, []byte{0, 0, 0, 0, 0}, doc(t, bson.D{{Key: "ping", Value: 1}}))
	got, err := readMessage(io.MultiReader(bytes.NewReader(m[:10]), bytes.NewReader(m[10:])))
	if err != nil || !bytes.Equal(got, m) {
		t.Errorf("read %v, %v", got, err)
	}
	for name, b := range map[string][]byte{
		"too short": {15, 0, 0, 0},
		"too long":  {0, 0, 0, 0x40},
	} {
		if _, err := readMessage(bytes.NewReader(b)); !errors.Is(err, errMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readMessage(bytes.NewReader(m[:20])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v", err)
	}
}

func TestReply(t *testing.T) {
	d := doc(t, bson.D{{Key: "ok", Value: 1.0}})
	m := reply(7, d)
	got, err := readMessage(bytes.NewReader(m))
	if err != nil {
		t.Fatal(err)
	}
	body, err := got.body()
	if err != nil || !bytes.Equal(body, d) || binary.LittleEndian.Uint32(got[8:]) != 7 {
		t.Errorf("reply %v, %v", got, err)
	}
}
