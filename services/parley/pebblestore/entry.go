package pebblestore

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
)

// entryLayout is the version of the layout of entries.
const entryLayout = 1

// What an entry has beyond the fields that every entry has. The order of the bits
// is the order of the fields.
const (
	hasVia = 1 << iota
	hasReplyTo
	hasMentions
	hasTarget
	hasEmoji
	hasChange
	hasUsers
	hasTitle
	hasBody
	isGone
	isSilent
	isOn
	entryBits = 1<<iota - 1
)

// The numbers of the kinds are what is stored: append, never reorder.
var kinds = [...]chat.Kind{
	chat.KindMessage, chat.KindEdited, chat.KindRecalled, chat.KindReacted, chat.KindMembers,
}

func bitsOf(e *chat.Entry) uint64 {
	var bits uint64
	set := func(bit uint64, yes bool) {
		if yes {
			bits |= bit
		}
	}
	set(hasVia, e.Via != "")
	set(hasReplyTo, e.ReplyTo != 0)
	set(hasMentions, len(e.Mentions) > 0)
	set(hasTarget, e.Target != 0)
	set(hasEmoji, e.Emoji != "")
	set(hasChange, e.Change != "")
	set(hasUsers, len(e.Users) > 0)
	set(hasTitle, e.Title != "")
	set(hasBody, e.Body != nil)
	set(isGone, e.Gone)
	set(isSilent, e.Silent)
	set(isOn, e.On)
	return bits
}

// appendEntry appends the value of an entry. What the key says (conversation and
// seq) and Concerns are not in it. message is the seq of the last message up to
// and including this entry, 0 if there is none: a running value of this store,
// so that the tail of a log tells where the preview is.
//
// The length of the body comes first and the body last, so that a reader can cut
// it off and copy it apart from the strings.
func appendEntry(dst []byte, e *chat.Entry, message chat.Seq) ([]byte, error) {
	kind := slices.Index(kinds[:], e.Kind)
	if kind < 0 {
		return dst, fmt.Errorf("entry of unknown kind %q", e.Kind)
	}
	bits := bitsOf(e)
	dst = append(dst, entryLayout)
	dst = binary.AppendUvarint(dst, uint64(len(e.Body)))
	dst = append(dst, byte(kind))
	dst = binary.AppendUvarint(dst, bits)
	dst = appendTime(dst, e.Time)
	dst = appendInt(dst, e.Count)
	dst = appendInt(dst, e.MV)
	dst = appendInt(dst, e.Members)
	dst = appendInt(dst, message)
	dst = append(dst, e.Hash[:]...)
	dst = appendString(dst, e.From)
	dst = appendString(dst, e.CMID)
	dst = appendOptional(dst, e, bits)
	return append(dst, e.Body...), nil
}

func appendOptional(dst []byte, e *chat.Entry, bits uint64) []byte {
	if bits&hasVia != 0 {
		dst = appendString(dst, e.Via)
	}
	if bits&hasReplyTo != 0 {
		dst = appendInt(dst, e.ReplyTo)
	}
	if bits&hasMentions != 0 {
		dst = appendStrings(dst, e.Mentions)
	}
	if bits&hasTarget != 0 {
		dst = appendInt(dst, e.Target)
	}
	if bits&hasEmoji != 0 {
		dst = appendString(dst, e.Emoji)
	}
	if bits&hasChange != 0 {
		dst = appendString(dst, e.Change)
	}
	if bits&hasUsers != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Users)))
		for _, u := range e.Users {
			dst = appendString(dst, u.User)
			dst = appendString(dst, u.Role)
		}
	}
	if bits&hasTitle != 0 {
		dst = appendString(dst, e.Title)
	}
	return dst
}

// decodeEntry is the inverse of [appendEntry]. It keeps nothing of v.
func decodeEntry(key chat.Key, seq chat.Seq, v []byte) (e chat.Entry, message chat.Seq, err error) {
	if len(v) < 2 || v[0] != entryLayout {
		return e, 0, fmt.Errorf("%w: entry of an unknown layout", errCorrupt)
	}
	size, n := binary.Uvarint(v[1:])
	if n <= 0 || size > uint64(len(v)-1-n) {
		return e, 0, fmt.Errorf("%w: it ends too early", errCorrupt)
	}
	body := v[len(v)-int(size):]
	d := decoder{s: string(v[1+n : len(v)-int(size)])}
	e.Key, e.Seq = key, seq
	kind := d.byte()
	bits := d.uvarint()
	if int(kind) >= len(kinds) || bits&^entryBits != 0 || bits&hasBody == 0 && size > 0 {
		return chat.Entry{}, 0, fmt.Errorf("%w: entry of an unknown kind", errCorrupt)
	}
	e.Kind = kinds[kind]
	e.Time = d.time()
	e.Count = d.varint()
	e.MV = chat.Seq(d.varint())
	e.Members = int(d.varint())
	message = chat.Seq(d.varint())
	copy(e.Hash[:], d.take(uint64(len(e.Hash))))
	e.From = chat.User(d.string())
	e.CMID = chat.CMID(d.string())
	decodeOptional(&d, &e, bits)
	if err := d.done(); err != nil {
		return chat.Entry{}, 0, err
	}
	if bits&hasBody != 0 {
		e.Body = append(make([]byte, 0, len(body)), body...)
	}
	return e, message, nil
}

func decodeOptional(d *decoder, e *chat.Entry, bits uint64) {
	if bits&hasVia != 0 {
		e.Via = d.string()
	}
	if bits&hasReplyTo != 0 {
		e.ReplyTo = chat.Seq(d.varint())
	}
	if bits&hasMentions != 0 {
		e.Mentions = decodeStrings[chat.User](d)
	}
	if bits&hasTarget != 0 {
		e.Target = chat.Seq(d.varint())
	}
	if bits&hasEmoji != 0 {
		e.Emoji = d.string()
	}
	if bits&hasChange != 0 {
		e.Change = chat.Change(d.string())
	}
	if bits&hasUsers != 0 {
		if n := d.count(2); n > 0 { // nil and empty are the same list
			e.Users = make([]chat.UserRole, n)
			for i := range e.Users {
				e.Users[i] = chat.UserRole{User: chat.User(d.string()), Role: chat.Role(d.string())}
			}
		}
	}
	if bits&hasTitle != 0 {
		e.Title = d.string()
	}
	e.Gone, e.Silent, e.On = bits&isGone != 0, bits&isSilent != 0, bits&isOn != 0
}
