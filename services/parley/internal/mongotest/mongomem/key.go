package mongomem

import (
	"encoding/binary"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Classes of values, in MongoDB's order of comparison. Those of one class compare
// by value, those of different classes by class alone.
const (
	classMinKey    = 0x10
	classNull      = 0x20 // also undefined, and a field that is missing
	classNumber    = 0x30
	classString    = 0x40 // also symbol
	classDocument  = 0x50
	classArray     = 0x60
	classBinary    = 0x70
	classObjectID  = 0x80
	classBoolean   = 0x90
	classDate      = 0xa0
	classTimestamp = 0xb0
	classRegex     = 0xc0
	classOther     = 0xd0 // what Parley does not use; among themselves in no order of MongoDB's
	classMaxKey    = 0xe0
)

// above is more than the first byte of any key: what has key and more keys behind it
// is from key up to key+above, and nothing else is.
const above = "\xff"

func class(v bson.RawValue) byte {
	switch v.Type {
	case bson.TypeMinKey:
		return classMinKey
	case 0, bson.TypeNull, bson.TypeUndefined:
		return classNull
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return classNumber
	case bson.TypeString, bson.TypeSymbol:
		return classString
	case bson.TypeEmbeddedDocument:
		return classDocument
	case bson.TypeArray:
		return classArray
	case bson.TypeBinary:
		return classBinary
	case bson.TypeObjectID:
		return classObjectID
	case bson.TypeBoolean:
		return classBoolean
	case bson.TypeDateTime:
		return classDate
	case bson.TypeTimestamp:
		return classTimestamp
	case bson.TypeRegex:
		return classRegex
	case bson.TypeMaxKey:
		return classMaxKey
	}
	return classOther
}

// keyOf is a value as a string, so that strings compare as MongoDB compares the
// values; it is what MongoDB calls a key string. Equal values have one key, such as
// 1 as an integer and 1.0. Keys put one behind the other compare as the values do, one
// after the other.
func keyOf(v bson.RawValue) string { return string(appendKey(nil, v)) }

func appendKey(b []byte, v bson.RawValue) []byte { return appendValue(append(b, class(v)), v) }

// appendValue writes a value without its class.
func appendValue(b []byte, v bson.RawValue) []byte {
	switch class(v) {
	case classMinKey, classNull, classMaxKey:
		return b
	case classNumber:
		return appendNumber(b, v)
	case classString:
		s, ok := v.StringValueOK()
		if !ok {
			s, _ = v.SymbolOK()
		}
		return appendText(b, s)
	case classDocument:
		return appendDocument(b, bson.Raw(v.Value))
	case classArray:
		list, _ := bson.RawArray(v.Value).Values()
		for _, item := range list {
			b = appendKey(b, item)
		}
		return append(b, 0)
	case classBinary: // by length first
		subtype, data, _ := v.BinaryOK()
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		return append(append(b, subtype), data...)
	case classDate:
		return binary.BigEndian.AppendUint64(b, uint64(v.DateTime())^1<<63)
	case classTimestamp:
		return binary.BigEndian.AppendUint64(b, binary.LittleEndian.Uint64(v.Value))
	case classObjectID, classBoolean: // of one length each
		return append(b, v.Value...)
	}
	return appendText(append(b, byte(v.Type)), string(v.Value))
}

// appendText ends with a zero; one inside is told from it by what follows, which is
// above all that follows an end.
func appendText(b []byte, s string) []byte {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\x00"+above)
	}
	return append(append(b, s...), 0)
}

// appendDocument writes fields by class, name and value; the shorter of two that
// begin alike comes first.
func appendDocument(b []byte, d bson.Raw) []byte {
	elements, _ := d.Elements()
	for _, e := range elements {
		v := e.Value()
		b = appendValue(appendText(append(b, class(v)), e.Key()), v)
	}
	return append(b, 0)
}

// appendNumber writes the largest double that is not above the number, and how far
// the number is above it: an integer of 64 bits is not always a double.
func appendNumber(b []byte, v bson.RawValue) []byte {
	var f float64
	var rest uint16
	if v.Type == bson.TypeDouble {
		f = v.Double() + 0 // -0 is 0
	} else {
		n := v.AsInt64()
		f = float64(n)
		if f >= 1<<63 || int64(f) > n {
			f = math.Nextafter(f, math.Inf(-1))
		}
		rest = uint16(n - int64(f))
	}
	bits := math.Float64bits(f)
	switch {
	case f != f:
		bits = 0 // not a number comes before all numbers
	case bits>>63 == 1:
		bits = ^bits
	default:
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(b, bits), rest)
}

// compare orders two values as MongoDB does; a missing one counts as null.
func compare(a, b bson.RawValue) int {
	if s, ok := a.StringValueOK(); ok {
		if t, ok := b.StringValueOK(); ok {
			return strings.Compare(s, t)
		}
	}
	return strings.Compare(keyOf(a), keyOf(b))
}
