package wire

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
)

// Nearly all frames are a send of a text, a recv or a read, written without spaces
// and escapes. plain reads just these in one pass; whatever it does not know, wrong
// frames included, it leaves to [Decode], which reads all of JSON. FuzzPlain holds
// the two against each other.

// plain decodes a frame in its plain form; ok is false where it is not in it.
func plain(data []byte, lim chat.Limits) (f Frame, ref string, cerr *chat.Error, ok bool) {
	p := scanner{rest: data}
	if !p.fields() {
		return nil, "", nil, false
	}
	kept := p.keep()
	if len(kept.ref) > chat.MaxRef {
		return nil, "", nil, false
	}
	switch kept.typ {
	case "send":
		if !p.has(fieldBody) || p.has(fieldSeq) || len(p.text) == 0 || len(p.text) > lim.Text || len(p.body) > chat.MaxBody {
			return nil, "", nil, false
		}
		s := &Send{Head: Head{Type: kept.typ, Ref: kept.ref}, Conv: chat.ConvID(kept.conv), To: chat.User(kept.to), CMID: chat.CMID(kept.cmid)}
		if cerr := s.checkPlace(); cerr != nil {
			return nil, kept.ref, cerr, true
		}
		s.Body = bytes.Clone(p.body)
		return s, kept.ref, nil, true
	case "recv", "read":
		if p.seen&^(fieldType|fieldRef|fieldConv|fieldSeq) != 0 || !p.has(fieldSeq) {
			return nil, "", nil, false
		}
		seq := p.seq
		if kept.typ == "recv" {
			f = &Recv{Head: Head{Type: kept.typ, Ref: kept.ref}, Conv: chat.ConvID(kept.conv), Seq: &seq}
		} else {
			f = &Read{Head: Head{Type: kept.typ, Ref: kept.ref}, Conv: chat.ConvID(kept.conv), Seq: &seq}
		}
		if cerr := f.check(lim); cerr != nil {
			return nil, kept.ref, cerr, true
		}
		return f, kept.ref, nil, true
	}
	return nil, "", nil, false
}

// field is a bit for each field that a plain frame may have.
type field uint8

const (
	fieldType field = 1 << iota
	fieldRef
	fieldConv
	fieldTo
	fieldCMID
	fieldSeq
	fieldBody
)

// scanner reads a plain frame. Its slices point into the frame.
type scanner struct {
	rest []byte
	seen field

	typ, ref, conv, to, cmid []byte
	text, body               []byte
	seq                      chat.Seq
}

func (p *scanner) has(f field) bool { return p.seen&f != 0 }

// fields reads the whole object; false: it is not plain.
func (p *scanner) fields() bool {
	if !p.byte('{') {
		return false
	}
	for {
		name, ok := p.string()
		if !ok || !p.byte(':') || !p.field(name) {
			return false
		}
		if p.byte('}') {
			return len(p.rest) == 0 && p.has(fieldType)
		}
		if !p.byte(',') {
			return false
		}
	}
}

func (p *scanner) field(name []byte) (ok bool) {
	var f field
	switch string(name) { // does not allocate
	case "type":
		f = fieldType
		p.typ, ok = p.string()
	case "ref":
		f = fieldRef
		p.ref, ok = p.string()
	case "conv":
		f = fieldConv
		p.conv, ok = p.string()
	case "to":
		f = fieldTo
		p.to, ok = p.string()
	case "cmid":
		f = fieldCMID
		p.cmid, ok = p.string()
	case "seq":
		f = fieldSeq
		p.seq, ok = p.number()
	case "body":
		f = fieldBody
		before := p.rest
		if !p.prefix(`{"text":`) {
			return false
		}
		p.text, ok = p.string()
		ok = ok && p.byte('}')
		p.body = before[:len(before)-len(p.rest)]
	}
	if !ok || p.has(f) {
		return false // unknown, not plain, or twice
	}
	p.seen |= f
	return true
}

func (p *scanner) byte(b byte) bool {
	if len(p.rest) == 0 || p.rest[0] != b {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *scanner) prefix(s string) bool {
	if len(p.rest) < len(s) || string(p.rest[:len(s)]) != s {
		return false
	}
	p.rest = p.rest[len(s):]
	return true
}

// string reads a string without escapes. Such a one is its own canonical form.
func (p *scanner) string() ([]byte, bool) {
	if !p.byte('"') {
		return nil, false
	}
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 {
		return nil, false
	}
	s := p.rest[:end]
	ascii := true
	for _, b := range s {
		if b < ' ' || b == '\\' {
			return nil, false
		}
		ascii = ascii && b < utf8.RuneSelf
	}
	if !ascii && !utf8.Valid(s) {
		return nil, false
	}
	p.rest = p.rest[end+1:]
	return s, true
}

// number reads a seq: digits only, of which no seq has more than 16.
func (p *scanner) number() (chat.Seq, bool) {
	n, digits := chat.Seq(0), 0
	for digits < len(p.rest) && p.rest[digits] >= '0' && p.rest[digits] <= '9' {
		n = 10*n + chat.Seq(p.rest[digits]-'0')
		if digits++; digits > 16 {
			return 0, false
		}
	}
	if digits == 0 || digits > 1 && p.rest[0] == '0' {
		return 0, false
	}
	p.rest = p.rest[digits:]
	return n, true
}

// kept is the short strings of a frame, in one piece of memory of their own.
type kept struct{ typ, ref, conv, to, cmid string }

func (p *scanner) keep() (k kept) {
	var b strings.Builder
	b.Grow(len(p.ref) + len(p.conv) + len(p.to) + len(p.cmid))
	for _, s := range [...][]byte{p.ref, p.conv, p.to, p.cmid} {
		b.Write(s)
	}
	all := b.String()
	cut := func(n int) (s string) {
		s, all = all[:n], all[n:]
		return s
	}
	k.ref, k.conv, k.to, k.cmid = cut(len(p.ref)), cut(len(p.conv)), cut(len(p.to)), cut(len(p.cmid))
	switch string(p.typ) {
	case "send":
		k.typ = "send"
	case "recv":
		k.typ = "recv"
	case "read":
		k.typ = "read"
	}
	return k
}
