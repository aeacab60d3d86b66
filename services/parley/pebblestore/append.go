package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
)

// errHole refuses a seq that would leave a hole below it: a defect of the caller.
var errHole = errors.New("the seq does not follow on the log")

// Append implements [store.Log]. What it stores is finished in the same batch.
// Entries that no log may contain (they would leave a hole, or their names would
// break keys) are NotTried, with Err set.
func (s *Store) Append(ctx context.Context, b store.Batch) store.Appended {
	a := &appending{out: store.Appended{Outcomes: make([]store.Outcome, len(b.Entries)), Finished: true}}
	err := s.update(ctx, "append", func(w *write) error {
		a.write, w.undo = w, func() { a.forget() }
		defer s.tails.trim()
		return a.batch(b)
	})
	if err != nil {
		for i := range a.out.Outcomes {
			a.out.Outcomes[i] = store.Unknown
		}
		a.out.Err = err
	}
	return a.out
}

// appending is one Append in its turn.
type appending struct {
	*write
	out     store.Appended
	touched []*tail          // tails that may be ahead of the database until the batch is applied
	it      *pebble.Iterator // over the logs; nil at first
	key     []byte           // a key being made
	value   []byte           // a value being made
}

func (a *appending) batch(b store.Batch) (err error) {
	a.entries, a.added = a.s.db.NewBatch(), make([]added, 0, len(b.Entries))
	defer func() {
		if a.it != nil {
			err = errors.Join(err, a.it.Close())
		}
	}()
	for i, j := 0, 0; i < len(b.Entries); i = j {
		for j = i + 1; j < len(b.Entries) && b.Entries[j].Key == b.Entries[i].Key; j++ {
		}
		if err := a.conversation(b.Entries[i:j], a.out.Outcomes[i:j]); err != nil {
			return err
		}
	}
	for i := range a.added {
		if err := a.effects(a.added[i].Entry); err != nil {
			return err
		}
	}
	if len(a.added) == 0 {
		return nil
	}
	lines := make([]store.JournalLine, len(a.added))
	for i := range lines {
		lines[i] = store.LineOf(a.added[i].Entry)
	}
	return a.journal(b.Journal, lines)
}

// forget drops the tails that are ahead of the database for good.
func (a *appending) forget() {
	for _, t := range a.touched {
		a.s.tails.drop(t)
	}
}

// conversation appends entries of one conversation until one cannot be.
func (a *appending) conversation(es []chat.Entry, outcomes []store.Outcome) error {
	key := es[0].Key
	a.mark(fenceOf(a.s, key))
	t, err := a.tail(key)
	if err != nil {
		return err
	}
	if t.turn == a.turn {
		a.refuse(&es[0], errors.New("its conversation's entries are not adjacent"))
		return nil
	}
	t.turn = a.turn
	a.touched = append(a.touched, t)
	defer a.s.tails.account(t)
	var h cmidHash
	for i := range es {
		e := &es[i]
		taken := 1 <= e.Seq && e.Seq <= t.seq
		if !taken {
			if err := check(e, t); err != nil {
				a.refuse(e, err)
				return nil
			}
			h, a.value = hashCMID(a.value, e.From, e.CMID)
			if taken, err = a.taken(t, e, h, es[:i]); err != nil {
				return err
			}
		}
		if taken {
			outcomes[i] = store.Duplicate
			return nil
		}
		if err := a.put(t, e, h); err != nil {
			return err
		}
		outcomes[i] = store.Stored
	}
	return nil
}

// refuse says why an entry was not tried.
func (a *appending) refuse(e *chat.Entry, err error) {
	err = fmt.Errorf("pebblestore: append %s/%d: %w", e.Conv, e.Seq, err)
	a.s.log.Error(err.Error())
	a.out.Err = err
}

func check(e *chat.Entry, t *tail) error {
	if e.Seq != t.seq+1 {
		return fmt.Errorf("%w, which ends at %d", errHole, t.seq)
	}
	for _, k := range kinds {
		if e.Kind == k {
			return checkEntryNames(e)
		}
	}
	return fmt.Errorf("unknown kind %q", e.Kind)
}

// checkEntryNames asks about every name that the keys of an entry and of its
// effects are made of.
func checkEntryNames(e *chat.Entry) error {
	if err := checkNames(string(e.NS), string(e.Conv), string(e.From), string(e.CMID), e.Emoji); err != nil {
		return err
	}
	for i := range e.Users {
		if err := checkNames(string(e.Users[i].User)); err != nil {
			return err
		}
	}
	return nil
}

// put adds an entry that is known to be new.
func (a *appending) put(t *tail, e *chat.Entry, h cmidHash) (err error) {
	full := t.add(a.s.secret, h)
	if e.Kind == chat.KindMessage {
		t.message = e.Seq
	}
	if a.value, err = appendEntry(a.value[:0], e, t.message); err != nil {
		return err
	}
	a.key = row(a.key[:0], tableEntry, string(e.NS), string(e.Conv))
	a.key = number(a.key, uint64(e.Seq))
	if err := a.entries.Set(a.key, a.value, nil); err != nil {
		return err
	}
	a.added = append(a.added, added{e, t.message})
	switch {
	case full:
		a.key[0] = tablePage
		a.value = t.page.append(a.value[:0])
	case e.Seq > maxPaged:
		a.key = cmidKey(e.Key, e.From, e.CMID)
		a.value = binary.AppendUvarint(a.value[:0], uint64(e.Seq))
	default:
		return nil
	}
	return a.entries.Set(a.key, a.value, nil)
}

// tail returns the tail of a conversation, from the database if need be.
func (a *appending) tail(key chat.Key) (*tail, error) {
	if t := a.s.tails.get(key); t != nil {
		return t, nil
	}
	if a.it == nil {
		it, err := a.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{tableEntry}, UpperBound: []byte{tableEntry + 1}})
		if err != nil {
			return nil, err
		}
		a.it = it
	}
	t, err := a.loadTail(key)
	if err != nil {
		return nil, err
	}
	a.s.tails.add(t)
	return t, nil
}

// loadTail reads the end of a log, back to the last full page, and all pages.
func (a *appending) loadTail(key chat.Key) (*tail, error) {
	last, message, err := lastEntry(a.it, key)
	if err != nil {
		return nil, err
	}
	t := &tail{key: key, message: message}
	t.seen.reserve(int(min(last.Seq, maxPaged)))
	if last.Seq >= pageSize {
		err := scanPages(a.s.db, key, func(_ chat.Seq, h cmidHash) { t.add(a.s.secret, h) })
		if err != nil {
			return nil, err
		}
	}
	if last.Seq > maxPaged {
		t.seq = last.Seq
	}
	for ok := t.seq < last.Seq && a.it.SeekGE(entryKey(key, t.seq+1)); ok && t.seq < last.Seq; ok = a.it.Next() {
		e, _, err := entryAt(a.it, key)
		if err != nil {
			return nil, err
		}
		var h cmidHash
		h, a.value = hashCMID(a.value, e.From, e.CMID)
		t.add(a.s.secret, h)
	}
	if t.seq != last.Seq {
		return nil, errors.Join(fmt.Errorf("%w: the log of %s ends at %d, not %d", errCorrupt, key.Conv, t.seq, last.Seq), a.it.Error())
	}
	return t, nil
}

// lastEntry reads the end of a log; the entry's Seq is 0 if the log is empty.
func lastEntry(it *pebble.Iterator, key chat.Key) (e chat.Entry, message chat.Seq, err error) {
	prefix := inConv(tableEntry, key)
	if !it.SeekLT(after(prefix)) || !bytes.HasPrefix(it.Key(), prefix) {
		return e, 0, it.Error()
	}
	return entryAt(it, key)
}

// entryAt decodes the entry that an iterator stands on.
func entryAt(it *pebble.Iterator, key chat.Key) (e chat.Entry, message chat.Seq, err error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return e, 0, err
	}
	k := it.Key()
	seq := chat.Seq(binary.BigEndian.Uint64(k[len(k)-8:]))
	if e, message, err = decodeEntry(key, seq, v); err != nil {
		return e, 0, fmt.Errorf("entry %s/%d: %w", key.Conv, seq, err)
	}
	return e, message, nil
}

// taken reports whether the sender of e has used its cmid: in the log, or in this
// batch, in an entry before e.
func (a *appending) taken(t *tail, e *chat.Entry, h cmidHash, before []chat.Entry) (bool, error) {
	if mutant.Is(mutant.NoCMIDIndex) {
		return false, nil
	}
	seen := t.seen.has(a.s.secret.mix(h))
	if !seen && t.seq < maxPaged {
		return false, nil
	}
	for i := range before {
		if before[i].CMID == e.CMID && before[i].From == e.From {
			return true, nil
		}
	}
	if !seen {
		return has(a.s.db, cmidKey(e.Key, e.From, e.CMID))
	}
	have, err := findCMID(a.s.db, e.Key, e.From, e.CMID)
	if err == nil && have.Seq == 0 && len(before) == 0 && len(t.seen.parts) > 2 {
		err = a.rebuild(t)
	}
	return have.Seq > 0, err
}

// rebuild makes a filter that was wrong again, in one part: the more parts, the
// more often it is. All full pages must be in the database.
func (a *appending) rebuild(t *tail) error {
	n := min(t.seq, maxPaged)
	var f filter
	f.reserve(int(n))
	paged := chat.Seq(0)
	err := scanPages(a.s.db, t.key, func(seq chat.Seq, h cmidHash) {
		paged = seq
		f.add(a.s.secret.mix(h))
	})
	if err != nil {
		return err
	}
	if paged != n-n%pageSize {
		return fmt.Errorf("%w: the pages of %s end at %d, the log at %d", errCorrupt, t.key.Conv, paged, t.seq)
	}
	for _, h := range t.page[:n%pageSize] {
		f.add(a.s.secret.mix(h))
	}
	t.seen = f
	return nil
}
