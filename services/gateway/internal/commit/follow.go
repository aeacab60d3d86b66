package commit

import "github.com/parley-chat/parley/pkg/tracing"

// An append stores the commands of many sessions, of which few are followed, so its
// span cannot hang below all of them: it hangs below the first, and is linked with
// each.

// follow begins the span of an append; nil: none of its commands is followed.
func (c *Committer) follow(works []*work, entries int) *tracing.Span {
	var of []*tracing.Span
	for _, w := range works {
		for _, r := range w.reqs[:len(w.entries)] {
			if r.Span != nil {
				of = append(of, r.Span)
			}
		}
	}
	if len(of) == 0 {
		return nil
	}
	links := make([]tracing.Context, len(of))
	for i, s := range of {
		links[i] = s.Context()
	}
	span := c.opts.Tracer.Start(links[0], tracing.Internal, "append", links...)
	span.Set(tracing.Number(tracing.Entries, entries))
	for _, s := range of[1:] {
		s.Link(span.Context())
	}
	return span
}

// appendTraces adds the spans of the requests whose entries come at a place: nil
// until one of them has any.
func appendTraces(traces []tracing.Context, at int, reqs []*Request) []tracing.Context {
	for i, r := range reqs {
		if r.Span == nil {
			continue
		}
		for len(traces) <= at+i {
			traces = append(traces, tracing.Context{})
		}
		traces[at+i] = r.Span.Context()
	}
	return traces
}
