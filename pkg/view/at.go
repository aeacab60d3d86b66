package view

import (
	"context"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// near is how far apart entries may be that are read in one go.
const near = 16

// Parts reads a user's parts of conversations, those that have ended included:
// the newest by the time of the head, at most the number given. All reports whether
// there are no more. It reads all of the user's memberships, 500 at a time, as
// [Reader.List] does.
func (r *Reader) Parts(ctx context.Context, ns chat.NS, user chat.User, most int) (parts []Part, all bool, err error) {
	all = true
	for after := chat.ConvID(""); ; {
		members, err := r.store.Memberships(ctx, ns, user, after, memberChunk)
		if err != nil {
			return nil, false, fmt.Errorf("read memberships: %w", err)
		}
		more, err := r.partsOf(ctx, members)
		if err != nil {
			return nil, false, err
		}
		for _, p := range more {
			if p.Start <= p.End {
				parts = append(parts, p)
			}
		}
		slices.SortFunc(parts, func(a, b Part) int { return placeOf(a).compare(placeOf(b)) })
		if len(parts) > most {
			parts, all = parts[:most], false
		}
		if len(members) < memberChunk {
			return parts, all, nil
		}
		after = members[len(members)-1].Conv
	}
}

// At reads some messages of a part by their seqs, ascending: with their present
// text, or gone, but without reactions and without how many have them. What is
// outside of the part or no message is left out. Seqs that are close together cost
// one read, and all together one more; and one where somebody has joined or left since
// the user did: then a part of [Reader.Parts] may be from before a removal (see
// [NewPart]).
func (r *Reader) At(ctx context.Context, p Part, seqs []chat.Seq) ([]wire.Message, error) {
	if p.Conversation.Last.MV > p.Member.AsOf {
		var err error
		if p, err = r.accessTo(ctx, p.Conversation, p.Member.User); codeIs(err, chat.CodeNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	seqs = slices.DeleteFunc(slices.Clone(seqs), func(s chat.Seq) bool { return s < p.Start || s > p.End })
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	var found []chat.Entry
	for i, j := 0, 0; i < len(seqs); i = j {
		for j = i + 1; j < len(seqs) && seqs[j]-seqs[j-1] <= near && seqs[j]-seqs[i] < entryChunk; j++ {
		}
		entries, err := r.entries(ctx, p.Conversation.Key, seqs[i], seqs[j-1])
		if err != nil {
			return nil, err
		}
		for k := range entries {
			if _, wanted := slices.BinarySearch(seqs, entries[k].Seq); wanted && entries[k].Kind == chat.KindMessage {
				found = append(found, entries[k])
			}
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	folds, err := r.store.Folds(ctx, p.Conversation.Key, seqs)
	if err != nil {
		return nil, fmt.Errorf("read folds: %w", err)
	}
	messages := make([]wire.Message, len(found))
	for i := range found {
		messages[i].Entry = wire.NewEntry(&found[i])
		f := folds[found[i].Seq]
		f.Reactions = nil
		applyFold(&messages[i], f, p)
	}
	return messages, nil
}
