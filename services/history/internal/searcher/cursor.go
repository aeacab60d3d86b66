package searcher

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// cursor is where a search goes on. The zero cursor is the beginning.
type cursor struct {
	place search.Place // newest: the first place to look at; best: the last item
	// For best: the first candidate of the first part, and the weight at place.
	newest search.Place
	weight int64
}

const cursorFormat = "%d %s %d %d %s %d %d"

// seal makes cursors that only this deployment can read, and only for the search
// that they come from: a place may be that of a message which the searcher must not
// know of.
type seal struct {
	aead  cipher.AEAD
	about []byte // the search
}

// newSeal makes the seal of a search from what tells it from others. The secret
// must be the same in all replicas.
func newSeal(secret string, about ...string) (seal, error) {
	key := sha256.Sum256([]byte("parley search cursor\x00" + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return seal{}, fmt.Errorf("make the key of cursors: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return seal{}, fmt.Errorf("make the cipher of cursors: %w", err)
	}
	return seal{aead, []byte(strings.Join(about, "\x00"))}, nil
}

func (s seal) format(c cursor) string {
	raw := fmt.Appendf(nil, cursorFormat, c.place.Time, name(c.place.Conv), c.place.Seq,
		c.newest.Time, name(c.newest.Conv), c.newest.Seq, c.weight)
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(raw)+s.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, raw, s.about))
}

// name is not empty, so that a cursor has as many words as its format.
func name(c chat.ConvID) string {
	if c == "" {
		return "-"
	}
	return string(c)
}

// parse opens a cursor; "" is the beginning.
func (s seal) parse(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < s.aead.NonceSize() {
		return c, errCursor()
	}
	n := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, raw[:n], raw[n:], s.about)
	if err != nil {
		return c, errCursor()
	}
	_, err = fmt.Sscanf(string(plain), cursorFormat, &c.place.Time, &c.place.Conv, &c.place.Seq,
		&c.newest.Time, &c.newest.Conv, &c.newest.Seq, &c.weight)
	if err != nil {
		return cursor{}, errCursor()
	}
	for _, p := range []*search.Place{&c.place, &c.newest} {
		if p.Conv == "-" {
			p.Conv = ""
		}
	}
	return c, nil
}

func errCursor() *chat.Error {
	return chat.Errorf(chat.CodeBadRequest, `"cursor" is not one that this search gave as "next"`)
}
