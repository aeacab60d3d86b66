package pebblestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
)

// The index of cmids. A row for each entry would cost as much as the entry itself:
// half of all that Pebble has to do. So the first maxPaged entries of a log, which
// is all of most logs, are indexed by pages: a row of hashes for every pageSize
// entries. Those behind the last full page are found in the log. To append, one
// must know that a cmid is new: the hashes of a log that is written to are in
// memory (see filter), and reading them is bounded by maxPaged (half a megabyte, a millisecond).
//
// Later entries have a row each, and to append them costs a look into the database,
// which Pebble's filters make cheap.
const (
	pageSize = 32
	maxPaged = 1 << 16 // a multiple of pageSize
)

// cmidHash stands for a cmid of a sender inside a log. It is cut from a
// cryptographic hash, so that nobody can make many that are equal: each would cost
// a look into the log.
type cmidHash uint64

// hash returns the hash of a cmid, made in buf.
func hashCMID(buf []byte, from chat.User, cmid chat.CMID) (cmidHash, []byte) {
	buf = append(append(append(buf[:0], from...), 0), cmid...)
	sum := sha256.Sum256(buf)
	return cmidHash(binary.BigEndian.Uint64(sum[:])), buf
}

// page is the hashes of entries, in order of their seqs.
type page [pageSize]cmidHash

func (p *page) append(dst []byte) []byte {
	for _, h := range p {
		dst = binary.BigEndian.AppendUint64(dst, uint64(h))
	}
	return dst
}

// scanPages calls f with the hashes of all pages and the seqs that they stand for.
func scanPages(r pebble.Reader, key chat.Key, f func(seq chat.Seq, h cmidHash)) error {
	prefix := pagesKey(key)
	return scan(r, prefix, after(prefix), func(k, v []byte) (bool, error) {
		if len(v) != pageSize*8 || len(k) != len(prefix)+8 {
			return false, fmt.Errorf("page of cmids: %w", errCorrupt)
		}
		seq := chat.Seq(binary.BigEndian.Uint64(k[len(prefix):])) - pageSize
		for i := range pageSize {
			f(seq+chat.Seq(i)+1, cmidHash(binary.BigEndian.Uint64(v[8*i:])))
		}
		return true, nil
	})
}

// findCMID finds the entry that from wrote with cmid; its Seq is 0 if there is
// none.
func findCMID(db *pebble.DB, key chat.Key, from chat.User, cmid chat.CMID) (e chat.Entry, err error) {
	// Made first: what it does not see and the pages below have is newer than this
	// call, and what they do not have it sees.
	it, err := db.NewIter(nil)
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	try := func(seq chat.Seq) error {
		c, ok, err := seekEntry(it, key, seq)
		if ok && c.From == from && c.CMID == cmid {
			e = c
		}
		return err
	}

	row, err := get(db, cmidKey(key, from, cmid))
	if err != nil {
		return e, err
	}
	if row != nil {
		seq, n := binary.Uvarint(row)
		if n != len(row) {
			return e, fmt.Errorf("row of a cmid: %w", errCorrupt)
		}
		return e, try(chat.Seq(seq))
	}

	h, _ := hashCMID(nil, from, cmid)
	var hits []chat.Seq
	paged := chat.Seq(0)
	err = scanPages(db, key, func(seq chat.Seq, have cmidHash) {
		if paged = seq; have == h {
			hits = append(hits, seq)
		}
	})
	for i := 0; err == nil && e.Seq == 0 && i < len(hits); i++ {
		err = try(hits[i])
	}
	if err != nil || e.Seq > 0 || paged == maxPaged {
		return e, err
	}
	return unpaged(it, key, paged, from, cmid)
}

// unpaged looks for a cmid behind the last full page.
func unpaged(it *pebble.Iterator, key chat.Key, paged chat.Seq, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	prefix := inConv(tableEntry, key)
	n := 0
	for ok := it.SeekGE(entryKey(key, paged+1)); ok && n < 2*pageSize && bytes.HasPrefix(it.Key(), prefix); ok = it.Next() {
		n++
		e, _, err := entryAt(it, key)
		if err != nil || e.From == from && e.CMID == cmid {
			return e, err
		}
	}
	return chat.Entry{}, it.Error()
}
