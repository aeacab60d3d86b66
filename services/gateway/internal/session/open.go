package session

import (
	"context"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/view"
)

// openPage is how many conversations of a flush are described together: what is asked
// once for all of them is read once. Their frames are a fraction of what the queue takes.
const openPage = 50

// openSome sends the conversation frames of the next conversations of the first
// flush. What a change has overtaken is left to catchUp.
func (s *Session) openSome(ctx context.Context, first chat.Key) error {
	s.mu.Lock()
	behind := s.jobs.behind
	s.mu.Unlock()
	from := slices.Index(behind, first)
	if from < 0 || !s.credit() {
		return nil
	}
	some := behind[from:min(from+openPage, len(behind))]
	var places []*place
	var parts []view.Part
	for _, key := range some {
		if p := s.place(key); p != nil && !p.opened && p.part != nil {
			places, parts = append(places, p), append(parts, *p.part)
		}
	}
	frames, err := s.feed.Describe(ctx, parts)
	if err != nil {
		return err
	}
	for i, p := range places {
		s.Answer(frames[i])
		p.opened, p.shown = true, parts[i].End
	}
	s.mu.Lock()
	s.jobs.behind = behind[from+len(some):]
	s.mu.Unlock()
	return nil
}

// open sends what comes before the first entry of a conversation.
func (s *Session) open(ctx context.Context, p *place, part view.Part) error {
	if !p.opened {
		frames, err := s.feed.Describe(ctx, []view.Part{part})
		if err != nil {
			return err
		}
		s.Answer(frames[0])
		p.opened, p.shown = true, part.End
	}
	if p.reset != nil {
		s.Answer(p.reset)
		p.reset = nil
	}
	return nil
}
