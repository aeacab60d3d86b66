package chat

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
)

// The forms of ids, from PROTOCOL §2. The checks are written out because they
// run on every frame.

// Valid reports whether u has the form of a user id.
func (u User) Valid() bool {
	if len(u) == 0 || len(u) > 64 || !alnum(u[0]) {
		return false
	}
	for i := 1; i < len(u); i++ {
		if c := u[i]; !alnum(c) && !strings.ContainsRune("_.@+-", rune(c)) {
			return false
		}
	}
	return true
}

// Valid reports whether d has the form of a device id.
func (d Device) Valid() bool { return word(string(d)) }

// Valid reports whether c has the form of a client message id. Ids that the
// server makes for its own entries begin with "!" and are not valid here, so
// that no client can take one.
func (c CMID) Valid() bool { return word(string(c)) }

// Valid reports whether n may name a tenant.
func (n NS) Valid() bool { return word(string(n)) }

// Valid reports whether c has the form of a conversation id.
func (c ConvID) Valid() bool {
	if len(c) < 2+16 || len(c) > 2+40 || (c[0] != 'd' && c[0] != 'g') || c[1] != '_' {
		return false
	}
	for i := 2; i < len(c); i++ {
		if !('a' <= c[i] && c[i] <= 'z') && !('0' <= c[i] && c[i] <= '9') {
			return false
		}
	}
	return true
}

// Kind tells from the id what kind of conversation it names.
func (c ConvID) Kind() ConvKind {
	if strings.HasPrefix(string(c), "d_") {
		return Direct
	}
	return Group
}

func alnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func word(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !alnum(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// DirectID is the id of the direct conversation of two users of a tenant, in
// either order. The two may be the same user: notes to oneself.
func DirectID(ns NS, a, b User) ConvID {
	if b < a {
		a, b = b, a
	}
	return hashID("d_", string(ns), string(a), string(b))
}

// GroupID is the id of the group that creator makes with cmid. It follows from
// them, so that a repeated request finds the group that the first one made; it
// cannot be guessed, because a cmid has 96 random bits.
func GroupID(ns NS, creator User, cmid CMID) ConvID {
	return hashID("g_", string(ns), string(creator), string(cmid))
}

func hashID(prefix string, parts ...string) ConvID {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return ConvID(prefix + lowerBase32.EncodeToString(sum[:])[:26])
}

// EntryID is the public id of an entry.
func EntryID(conv ConvID, seq Seq) string {
	return string(conv) + "-" + strconv.FormatInt(int64(seq), 10)
}

// ParseEntryID is the inverse of [EntryID]; ok is false where id is none.
func ParseEntryID(id string) (conv ConvID, seq Seq, ok bool) {
	c, s, found := strings.Cut(id, "-")
	n, err := strconv.ParseInt(s, 10, 64)
	conv, seq = ConvID(c), Seq(n)
	return conv, seq, found && err == nil && conv.Valid() && seq > 0 && EntryID(conv, seq) == id
}
