package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/command"
	"github.com/parley-chat/parley/services/gateway/internal/jobs"
)

const (
	eraseStep  = time.Second // after which a step saves how far it is
	erasePage  = 200         // entries of one read
	eraseConvs = 100         // memberships of one read

	// An erasure is in no hurry: after each part it rests so many times as long as that
	// took, and for eraseMost at most.
	eraseRest = 3
	eraseMost = 500 * time.Millisecond
)

// eraser does erasures: first what is in no conversation, then one conversation after
// the other, each from its head down. A conversation is read from the end, because
// there are the edits: taking a message away takes its edits with it, and what they
// carry must be known before. Every step may be repeated.
type eraser struct{ g *Gateway }

// Step implements [jobs.Handler].
func (e eraser) Step(ctx context.Context, j store.Job) (jobs.Step, error) {
	var p job.ErasureProgress
	if err := job.Decode(j.Progress, &p); err != nil {
		return jobs.Step{}, err
	}
	done, err := e.step(ctx, j.NS, &p)
	if err != nil {
		return jobs.Step{}, err
	}
	return jobs.Step{Progress: wire.Encode(&p), Done: done}, nil
}

// step works for a second, or until something must be saved before it goes on.
func (e eraser) step(ctx context.Context, ns chat.NS, p *job.ErasureProgress) (done bool, err error) {
	if !p.Self {
		p.Self = true
		return false, e.self(ctx, ns, p.User)
	}
	until := time.Now().Add(eraseStep)
	if save, err := e.pages(ctx, chat.Key{NS: ns, Conv: p.Conv}, p, until); err != nil || save {
		return false, err
	}
	members, err := e.g.opts.Store.Memberships(ctx, ns, p.User, p.Conv, eraseConvs)
	if err != nil {
		return false, fmt.Errorf("read memberships: %w", err)
	}
	for i := range members {
		if err := e.conversation(ctx, &members[i], p); err != nil {
			return false, err
		}
		if save, err := e.pages(ctx, members[i].Key, p, until); err != nil || save {
			return false, err
		}
	}
	return len(members) < eraseConvs, nil
}

// pages goes through the rest of a conversation; save says that how far it is must be
// saved before it goes on, or that the time of the step is over.
func (e eraser) pages(ctx context.Context, key chat.Key, p *job.ErasureProgress, until time.Time) (save bool, err error) {
	for p.Before != 0 {
		began := time.Now()
		save, err := e.page(ctx, key, p, until)
		if err != nil {
			return true, err
		}
		pace(ctx, min(eraseRest*time.Since(began), eraseMost))
		if save || time.Now().After(until) {
			return true, nil
		}
	}
	return false, nil
}

// pace lets others have the store for a while, or until ctx ends.
func pace(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// self takes away what is in no conversation: the profile, blocks and devices, whose
// sessions end.
func (e eraser) self(ctx context.Context, ns chat.NS, user chat.User) error {
	s := e.g.opts.Store
	profiles, err := s.Profiles(ctx, ns, []chat.User{user})
	if err != nil {
		return fmt.Errorf("read profile: %w", err)
	}
	if old := profiles[user]; old.Version != 0 {
		if _, err := s.PutProfile(ctx, ns, user, chat.Profile{Version: versionAfter(old.Version)}); err != nil {
			return fmt.Errorf("drop profile: %w", err)
		}
		off := false
		e.g.say(&notice{NS: ns, User: user, Hide: &off})
	}
	blocks, err := s.Blocks(ctx, ns, user, "", 2*chat.MaxBlocks)
	if err != nil {
		return fmt.Errorf("read blocks: %w", err)
	}
	for _, b := range blocks {
		off := chat.Block{User: user, Peer: b.Peer, Version: versionAfter(b.Version)}
		if _, err := s.PutBlock(ctx, ns, off); err != nil {
			return fmt.Errorf("drop block: %w", err)
		}
		e.g.say(&notice{NS: ns, User: user, Block: &blockNotice{Peer: b.Peer, Version: off.Version}})
	}
	devices, err := s.Devices(ctx, ns, user)
	if err != nil {
		return fmt.Errorf("read devices: %w", err)
	}
	for _, d := range devices {
		if err := s.DropDevice(ctx, ns, user, d.Device); err != nil {
			return fmt.Errorf("drop device: %w", err)
		}
		e.g.say(&notice{NS: ns, User: user, Device: d.Device, Before: newSessionID()})
	}
	return nil
}

// conversation begins with one: what the user has set for it goes at once.
func (e eraser) conversation(ctx context.Context, m *chat.Member, p *job.ErasureProgress) error {
	if set := m.Settings; set.Version != 0 {
		if _, err := e.g.opts.Store.Configure(ctx, m.Key, m.User, chat.Settings{Version: versionAfter(set.Version)}); err != nil {
			return fmt.Errorf("drop settings: %w", err)
		}
	}
	p.Conv, p.Before, p.Found = m.Conv, 0, false
	var err error
	if p.Head, err = e.head(ctx, m); err != nil {
		return err
	}
	if p.Head == 0 {
		p.Conversations++
		return nil
	}
	p.Before = p.Head + 1
	return nil
}

// head is the last entry of a conversation; 0: there is none. What a pod that died has
// stored above it is finished first, because it would come to light later. A command
// that is refused does that: it is judged as of everything that is stored. Where others
// write at the same moment there is always something above the head.
func (e eraser) head(ctx context.Context, m *chat.Member) (chat.Seq, error) {
	s := e.g.opts.Store
	for look := 0; ; look++ {
		convs, err := s.ConversationsByKey(ctx, []chat.Key{m.Key})
		if err != nil {
			return 0, fmt.Errorf("read conversation: %w", err)
		}
		if len(convs) == 0 {
			return 0, nil
		}
		head := convs[0].Last.Seq
		above, err := s.Entries(ctx, m.Key, store.Range{After: head, Limit: 1})
		if err != nil {
			return 0, fmt.Errorf("read tail: %w", err)
		}
		if len(above) == 0 || look > 0 {
			return head, nil
		}
		nothing := chat.MaxSeq
		who := command.Actor{NS: m.NS, User: m.User}
		_, err = e.g.do(ctx, command.Recall(who, &wire.Recall{Conv: m.Conv, Target: &nothing, CMID: "!erase"}))
		if cerr := chat.AsError(err); cerr.Code == chat.CodeUnavailable {
			return 0, fmt.Errorf("finish what is stored in %s: %w", m.Conv, cerr)
		}
	}
}

// page takes away what the user has in the last entries before p.Before. save says
// that what it found must be saved before it goes on.
func (e eraser) page(ctx context.Context, key chat.Key, p *job.ErasureProgress, until time.Time) (save bool, err error) {
	list, before, err := e.read(ctx, key, p)
	if err != nil {
		return false, err
	}
	seqs, files, messages := writtenBy(p.User, list)
	if !subset(files, p.Files) {
		p.Files = append(p.Files, files...)
		return true, nil
	}
	if err := e.take(ctx, key, seqs); err != nil {
		return false, err
	}
	if err := e.dropFiles(ctx, key, p, until); err != nil || len(p.Files) > 0 {
		return true, err
	}
	p.Messages, p.Found = p.Messages+messages, p.Found || len(seqs) > 0
	if p.Before = before; p.Before > 1 {
		return false, nil
	}
	p.Before = 0
	p.Conversations++
	if p.Found {
		e.g.say(&notice{NS: key.NS, User: p.User, Conv: key.Conv, Erased: p.Head})
	}
	return false, nil
}

// read is the next part of a conversation, up to its end, and where the rest ends then.
// Who wrote little in it is found by an index, all at once, whatever the others wrote;
// else the log is read.
func (e eraser) read(ctx context.Context, key chat.Key, p *job.ErasureProgress) (list []chat.Entry, before chat.Seq, err error) {
	if p.Before == p.Head+1 && !e.g.opts.logsOnly {
		list, all, err := e.g.opts.Store.EntriesBy(ctx, key, p.User, erasePage)
		if err != nil {
			return nil, 0, fmt.Errorf("read a user's entries: %w", err)
		}
		if all { // what came meanwhile may not be finished
			return slices.DeleteFunc(list, func(c chat.Entry) bool { return c.Seq > p.Head }), 1, nil
		}
	}
	list, err = e.g.opts.Store.Entries(ctx, key, store.Range{Before: p.Before, Limit: erasePage, Desc: true})
	if err != nil {
		return nil, 0, fmt.Errorf("read entries: %w", err)
	}
	if len(list) == 0 {
		return nil, 0, fmt.Errorf("read entries: %s has none before %d", key.Conv, p.Before)
	}
	return list, list[0].Seq, nil
}

// writtenBy are the messages that a user wrote, or edited, in a list; those of which
// something in the list carries attachments; and how many messages the list itself has.
func writtenBy(user chat.User, list []chat.Entry) (seqs, files []chat.Seq, messages int) {
	for i := range list {
		e := &list[i]
		target := e.Seq
		switch {
		case e.From != user:
			continue
		case e.Kind == chat.KindEdited:
			target = e.Target
		case e.Kind == chat.KindMessage:
			messages++
		default:
			continue
		}
		seqs = append(seqs, target)
		if len(wire.Attachments(e.Body)) > 0 && !slices.Contains(files, target) {
			files = append(files, target)
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), files, messages
}

func subset(list, of []chat.Seq) bool {
	for _, s := range list {
		if !slices.Contains(of, s) {
			return false
		}
	}
	return true
}

// take takes messages away: from the log, and from the search index. Those that are
// gone already are taken again: whoever began may have died between the two.
func (e eraser) take(ctx context.Context, key chat.Key, seqs []chat.Seq) error {
	if len(seqs) == 0 {
		return nil
	}
	if err := e.g.opts.Store.Blank(ctx, key, seqs); err != nil {
		return fmt.Errorf("blank messages: %w", err)
	}
	docs := make([]search.Doc, len(seqs))
	for i, seq := range seqs {
		docs[i] = search.GoneDoc(key, seq)
	}
	err := e.g.unindex(ctx, docs)
	if mutant.Is(mutant.ErasedUnindexed) {
		return nil
	}
	return err
}

// dropFiles deletes the files of messages that are gone, as many as there is time for.
func (e eraser) dropFiles(ctx context.Context, key chat.Key, p *job.ErasureProgress, until time.Time) error {
	if e.g.uploads == nil {
		p.Files = nil
	}
	for len(p.Files) > 0 {
		if err := e.g.uploads.Drop(ctx, key, p.Files[0]); err != nil {
			return fmt.Errorf("delete attachments: %w", err)
		}
		if p.Files = p.Files[1:]; time.Now().After(until) {
			return nil
		}
	}
	p.Files = nil
	return nil
}
