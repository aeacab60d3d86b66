package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// codeDuplicateKey is the server's answer to an insert that a unique index
// refuses.
const codeDuplicateKey = 11000

// span is the entries of one conversation in a batch: [from, to).
type span struct{ from, to int }

// Append implements [store.Log]. Conversations with one entry share an unordered
// insert; those with several share an ordered one, which the server ends at the
// first refusal, and which then goes on without that conversation.
func (s *Store) Append(ctx context.Context, b store.Batch) store.Appended {
	a := &appending{
		store:    s,
		docs:     make([]*messageDoc, len(b.Entries)),
		outcomes: make([]store.Outcome, len(b.Entries)),
	}
	for i := range b.Entries {
		a.docs[i] = messageOf(&b.Entries[i])
	}
	spans := spansOf(b.Entries)
	var singles []int
	var several []span
	for _, sp := range spans {
		if sp.to-sp.from == 1 {
			singles = append(singles, sp.from)
		} else {
			several = append(several, sp)
		}
	}
	// The two write disjoint elements of outcomes.
	var errSingles, errSeveral error
	var wg sync.WaitGroup
	if len(singles) > 0 && len(several) > 0 {
		wg.Go(func() { errSingles = a.unordered(ctx, singles) })
	} else if len(singles) > 0 {
		errSingles = a.unordered(ctx, singles)
	}
	errSeveral = a.ordered(ctx, several)
	wg.Wait()
	for _, sp := range spans {
		settle(a.outcomes[sp.from:sp.to])
	}
	result := store.Appended{Outcomes: a.outcomes}
	if slices.Contains(a.outcomes, store.Unknown) {
		result.Err = s.fail("appending entries", errors.Join(errSingles, errSeveral))
	}
	return result
}

func spansOf(entries []chat.Entry) []span {
	var spans []span
	for i := range entries {
		if i > 0 && entries[i].Key == entries[i-1].Key {
			spans[len(spans)-1].to++
			continue
		}
		spans = append(spans, span{from: i, to: i + 1})
	}
	return spans
}

// settle makes the outcomes of one conversation what the contract says they are
// behind the first that is not Stored.
func settle(outcomes []store.Outcome) {
	for i, o := range outcomes {
		if o == store.Stored {
			continue
		}
		rest := store.NotTried
		if o == store.Unknown {
			rest = store.Unknown
		}
		for j := i + 1; j < len(outcomes); j++ {
			outcomes[j] = rest
		}
		return
	}
}

// appending is one Append under way.
type appending struct {
	store    *Store
	docs     []*messageDoc
	outcomes []store.Outcome
}

// insert writes the documents with these indexes.
func (a *appending) insert(ctx context.Context, indexes []int, ordered bool) error {
	docs := make([]*messageDoc, len(indexes))
	for i, at := range indexes {
		docs[i] = a.docs[at]
	}
	_, err := a.store.messages.InsertMany(ctx, docs, options.InsertMany().SetOrdered(ordered))
	return err //nolint:wrapcheck // read by its callers, which wrap it
}

func (a *appending) set(indexes []int, o store.Outcome) {
	for _, at := range indexes {
		a.outcomes[at] = o
	}
}

// unordered appends entries of different conversations.
func (a *appending) unordered(ctx context.Context, indexes []int) error {
	err := a.insert(ctx, indexes, false)
	if err == nil {
		a.set(indexes, store.Stored)
		return nil
	}
	a.set(indexes, store.Unknown)
	refused, sure := refusals(err)
	if sure {
		a.set(indexes, store.Stored)
	}
	for _, i := range refused {
		a.outcomes[indexes[i]] = store.Duplicate
	}
	return err
}

// refusals reads the error of an insert: which documents a unique index refused.
// sure says that nothing else went wrong, so that the others are stored, as far
// as the insert came. With any other error, of a document, of the write concern
// or of the command, a document that is not named as refused may be stored or not.
func refusals(err error) (refused []int, sure bool) {
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) {
		return nil, false
	}
	sure = bulk.WriteConcernError == nil
	for _, e := range bulk.WriteErrors {
		if e.Code == codeDuplicateKey {
			refused = append(refused, e.Index)
		} else {
			sure = false
		}
	}
	return refused, sure
}

// ordered appends conversations with several entries each. Every round but the
// last takes at least one conversation out.
func (a *appending) ordered(ctx context.Context, spans []span) error {
	var errs []error
	for len(spans) > 0 {
		var indexes []int
		for _, sp := range spans {
			for i := sp.from; i < sp.to; i++ {
				indexes = append(indexes, i)
			}
		}
		err := a.insert(ctx, indexes, true)
		if err == nil {
			a.set(indexes, store.Stored)
			break
		}
		errs = append(errs, err)
		stop, outcome, before := endOf(err)
		if stop < 0 || stop >= len(indexes) {
			a.set(indexes, store.Unknown)
			break
		}
		a.set(indexes[:stop], before)
		a.outcomes[indexes[stop]] = outcome
		spans = spansAfter(spans, indexes[stop])
	}
	return errors.Join(errs...)
}

// endOf says where an ordered insert ended, what became of that document, and of
// those before it; stop is -1 where this cannot be told.
func endOf(err error) (stop int, at, before store.Outcome) {
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) || len(bulk.WriteErrors) != 1 {
		return -1, store.Unknown, store.Unknown
	}
	before = store.Stored
	if bulk.WriteConcernError != nil {
		before = store.Unknown
	}
	at = store.Unknown
	if bulk.WriteErrors[0].Code == codeDuplicateKey {
		at = store.Duplicate
	}
	return bulk.WriteErrors[0].Index, at, before
}

// spansAfter is the spans behind the one that index is in: an ordered insert
// that ended there has not tried them.
func spansAfter(spans []span, index int) []span {
	for i, sp := range spans {
		if index < sp.to {
			return spans[i+1:]
		}
	}
	return nil
}

// insertMissing inserts documents of any collection that may be there already,
// and returns the indexes of those that were. What is there is confirmed as the
// rest is: a server waits for the write concern on behalf of refused inserts too.
func insertMissing[T any](ctx context.Context, c *mongo.Collection, docs []T) (present []int, err error) {
	if len(docs) == 0 {
		return nil, nil
	}
	_, err = c.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	if err == nil {
		return nil, nil
	}
	present, sure := refusals(err)
	if !sure {
		return nil, fmt.Errorf("inserting into %s: %w", c.Name(), err)
	}
	return present, nil
}
