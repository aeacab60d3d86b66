package indexer

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// journal is how far a pod's journal has been read.
type journal struct {
	pod  string
	done uint64          // everything that documents up to it name is in the index
	low  uint64          // every document up to it was read, or is void
	seen map[uint64]bool // documents above low that were read
	at   uint64          // where reading goes on

	settled uint64 // below it every document is written, or never will be
	dead    bool   // nothing will be written any more
	ended   bool   // it is dead, and was read to its end

	// A pass is a reading from low to the end, in one step or several.
	fromLow     bool   // one is under way, and when it began …
	passSettled uint64 // … settled was this
	passDead    bool   // … and dead this
	passAt      time.Time
	readAt      time.Time
}

func newJournal(pod string, position uint64) *journal {
	return &journal{pod: pod, done: position, low: position, at: position, seen: map[uint64]bool{}}
}

// list learns which pods there are.
func (f *feed) list(ctx context.Context) error {
	if time.Since(f.listed) < listEvery {
		return nil
	}
	pods, now, err := f.opts.Source.Pods(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	p := &f.lead.Progress
	present := make(map[string]bool, len(pods))
	for _, pod := range pods {
		present[pod.ID] = true
		j := f.journals[pod.ID]
		switch {
		case j == nil && !p.Begun:
			// What is settled now is below a head that the first sweep will see.
			j = newJournal(pod.ID, max(pod.Settled, 1)-1)
		case j == nil:
			j = newJournal(pod.ID, 0)
		}
		f.journals[pod.ID] = j
		if first := max(pod.First, 1) - 1; j.low < first {
			p.Again, f.changed = true, true // it was trimmed before it was read
			*j = *newJournal(pod.ID, first)
		}
		j.settled = max(j.settled, pod.Settled)
		j.dead = now.Sub(pod.Until) > lateWrite
	}
	for id, j := range f.journals {
		if present[id] {
			continue
		}
		if !j.ended {
			p.Again = true // it was removed before it was read to its end
		}
		delete(f.journals, id)
		f.changed = true
	}
	if !p.Begun {
		p.Begun = true
		if err := f.save(ctx); err != nil {
			return err
		}
	}
	f.listed = time.Now()
	return nil
}

// follow reads what is new in the journals, and notes the conversations that it
// names. It reports whether there is more to read at once.
func (f *feed) follow(ctx context.Context) (more bool, err error) {
	heads := map[chat.Key]bool{}
	var read []*part
	for _, j := range f.journals {
		if j.ended || len(j.seen) > mostSeen || time.Since(j.readAt) < f.opts.Poll {
			continue
		}
		p, err := j.read(ctx, f.opts.Source)
		if err != nil {
			return false, fmt.Errorf("read the journal of %s: %w", j.pod, err)
		}
		for key := range p.keys {
			heads[key] = true
		}
		read = append(read, p)
		more = more || !p.whole
	}
	keys := make([]chat.Key, 0, len(heads))
	for key := range heads {
		keys = append(keys, key)
	}
	for len(keys) > 0 {
		n := min(len(keys), 500)
		convs, err := f.opts.Source.ConversationsByKey(ctx, keys[:n])
		if err != nil {
			return false, fmt.Errorf("read heads: %w", err)
		}
		if err := f.add(ctx, convs); err != nil {
			return false, err
		}
		keys = keys[n:]
	}
	for _, p := range read { // only now: what failed is read again
		if p.take() {
			f.lead.Progress.Again, f.changed = true, true
		}
	}
	return more, nil
}

// part is what was read of a journal in one step.
type part struct {
	*journal
	keys    map[chat.Key]bool
	numbers []uint64
	end     uint64
	whole   bool // it reached the journal's end
}

// read reads on. Now and then it begins again above low, where documents may have
// appeared that were not there before.
func (j *journal) read(ctx context.Context, journals Journals) (*part, error) {
	now := time.Now()
	if !j.fromLow && (j.at == j.low || now.Sub(j.passAt) >= holeEvery) {
		j.at, j.fromLow, j.passSettled, j.passDead, j.passAt = j.low, true, j.settled, j.dead, now
	}
	p := &part{journal: j, keys: map[chat.Key]bool{}, end: j.at}
	for range journalPages {
		docs, err := journals.ReadJournal(ctx, j.pod, p.end, journalPage)
		if err != nil {
			return nil, err
		}
		for i := range docs {
			p.note(&docs[i])
		}
		if len(docs) < journalPage {
			p.whole = true
			break
		}
	}
	return p, nil
}

func (p *part) note(d *store.JournalDoc) {
	p.end = d.Number
	if d.Number <= p.low || p.seen[d.Number] {
		return
	}
	p.numbers = append(p.numbers, d.Number)
	for _, l := range d.Lines {
		p.keys[l.Key] = true
	}
}

// take moves the journal forward by what was read. It reports whether its end has
// come.
func (p *part) take() (ended bool) {
	j := p.journal
	for _, n := range p.numbers {
		j.seen[n] = true
	}
	j.at = p.end
	if p.whole {
		j.readAt = time.Now()
		if j.fromLow {
			// What is missing below what was settled when the pass began is void.
			j.low = max(j.low, j.passSettled-min(j.passSettled, 1))
			for n := range j.seen {
				if n <= j.low {
					delete(j.seen, n)
				}
			}
			if j.passDead {
				j.ended, j.low = true, max(j.low, p.end)
				clear(j.seen)
			}
		}
		j.fromLow = false
	}
	for j.seen[j.low+1] {
		j.low++
		delete(j.seen, j.low)
	}
	j.at = max(j.at, j.low)
	return j.ended
}

// sweep takes the next part of all conversations, if a sweep is under way or due.
func (f *feed) sweep(ctx context.Context) error {
	p := &f.lead.Progress
	if !p.Sweeping {
		if p.Rounds > 0 && !p.Again && time.Since(p.Swept) < f.opts.Sweep {
			return nil
		}
		p.Sweeping, p.Again, p.Cursor, p.Seen = true, false, chat.Key{}, 0
		f.cursor, f.lastPage, f.changed = chat.Key{}, false, true
		if p.Rounds > 0 {
			if _, err := f.opts.Store.DropOthers(ctx, f.gen, dropAfter); err != nil {
				return fmt.Errorf("drop old indexes: %w", err)
			}
		}
	}
	convs, err := f.opts.Source.ConversationsAfter(ctx, f.cursor, sweepPage)
	if err != nil {
		return fmt.Errorf("list conversations: %w", err)
	}
	if err := f.add(ctx, convs); err != nil {
		return err
	}
	if f.lastPage = len(convs) < sweepPage; len(convs) > 0 {
		f.cursor = convs[len(convs)-1].Key
		p.Seen += int64(len(convs))
	}
	return nil
}
