package bench

import (
	"bytes"
	"strconv"
)

// frame is what the load generator looks at in a server frame, or in an item of a
// page. Its bytes are those that were scanned.
type frame struct {
	typ, conv, cmid, from, code, message []byte
	text                                 []byte // of the body
	items                                []byte // of a page: the array
	seq, joined, next                    int64
	entry                                bool // it has a count
	dup                                  bool
}

// scan reads the fields of a JSON object without white space, which is what Parley
// sends, and nothing below them: a general decoder would cost more than all the
// rest of the generator. False: it is not such an object.
func (f *frame) scan(b []byte) bool {
	*f = frame{}
	if len(b) < 2 || b[0] != '{' {
		return false
	}
	for i := 1; i < len(b) && b[i] == '"'; i++ {
		n := bytes.IndexByte(b[i+1:], '"')
		if n < 0 {
			return false
		}
		key := b[i+1 : i+1+n]
		i += n + 2
		if i >= len(b) || b[i] != ':' {
			return false
		}
		i++
		end := valueEnd(b, i)
		if end < 0 || end >= len(b) {
			return false
		}
		f.set(key, b[i:end])
		if b[end] == '}' {
			return end == len(b)-1
		}
		if b[end] != ',' {
			return false
		}
		i = end
	}
	return false
}

// set keeps a field that is of interest.
func (f *frame) set(key, value []byte) {
	switch string(key) {
	case "type":
		f.typ = unquoted(value)
	case "conv":
		f.conv = unquoted(value)
	case "cmid":
		f.cmid = unquoted(value)
	case "from":
		f.from = unquoted(value)
	case "code":
		f.code = unquoted(value)
	case "message":
		f.message = unquoted(value)
	case "seq":
		f.seq = number(value)
	case "joined":
		f.joined = number(value)
	case "next":
		f.next = number(value)
	case "count":
		f.entry = true
	case "dup":
		f.dup = len(value) == len("true")
	case "items":
		f.items = value
	case "body":
		if rest, ok := bytes.CutPrefix(value, []byte(`{"text":"`)); ok {
			if n := bytes.IndexByte(rest, '"'); n >= 0 {
				f.text = rest[:n]
			}
		}
	}
}

// unquoted is the inside of a string, with its escapes; nil of anything else.
func unquoted(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

// number is a whole number that is not negative; -1 of anything else.
func number(digits []byte) (n int64) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// valueEnd is where the value that begins at i ends; -1 if it does not.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		for depth := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				if i = stringEnd(b, i); i < 0 {
					return -1
				}
				i--
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return -1
	}
	for ; i < len(b); i++ {
		if b[i] == ',' || b[i] == '}' || b[i] == ']' {
			return i
		}
	}
	return -1
}

// stringEnd is where the string that begins at i ends.
func stringEnd(b []byte, i int) int {
	for at := i + 1; ; {
		n := bytes.IndexByte(b[at:], '"')
		if n < 0 {
			return -1
		}
		at += n
		escapes := 0
		for b[at-1-escapes] == '\\' {
			escapes++
		}
		at++
		if escapes%2 == 0 {
			return at
		}
	}
}

// each hands out the objects of an array. False: it is none.
func each(array []byte, do func(object []byte)) bool {
	if len(array) < 2 || array[0] != '[' {
		return false
	}
	for i := 1; i < len(array) && array[i] != ']'; {
		end := valueEnd(array, i)
		if end < 0 || end >= len(array) {
			return false
		}
		do(array[i:end])
		if i = end; array[i] == ',' {
			i++
		}
	}
	return true
}

// A message carries who sent it, which of the sender's messages it is, and when it
// was meant to be sent. Its text does so for those who receive it, its cmid for the
// ack.

// stamp is what a message carries.
type stamp struct {
	flow   int   // of the run
	number int64 // 1, 2, 3, … of the flow
	at     int64 // when it was meant to be sent: ns since the run began
}

// appendStamp appends it as three words of letters and digits.
func appendStamp(b []byte, s stamp, between byte) []byte {
	b = strconv.AppendInt(b, int64(s.flow), 36)
	b = append(b, between)
	b = strconv.AppendInt(b, s.number, 36)
	b = append(b, between)
	return strconv.AppendInt(b, s.at, 36)
}

// parseStamp reads it back, up to the end or to what comes after the third word.
func parseStamp(b []byte, between byte) (s stamp, ok bool) {
	flow, b, ok1 := word(b, between)
	n, b, ok2 := word(b, between)
	at, _, ok3 := word(b, between)
	return stamp{int(flow), n, at}, ok1 && ok2 && ok3
}

// word reads a number in base 36 and steps over what separates it from the next.
func word(b []byte, between byte) (n int64, rest []byte, ok bool) {
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = 36*n + int64(c-'0')
		case c >= 'a' && c <= 'z':
			n = 36*n + int64(c-'a') + 10
		case c == between:
			return n, b[i+1:], i > 0
		default:
			return 0, nil, false
		}
	}
	return n, nil, len(b) > 0
}
