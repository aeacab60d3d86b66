package gateway

import (
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// The spans of a message that is followed. Each is the child of the one that it is
// indented below; the append, which stores many messages at once, is linked with
// all of them that are followed.
//
//	send                  from the frame to its answer
//	  commit              from its lane to its answer
//	    append            with "store append" and "store finish"
//	    deliver           to the sessions of this pod
//	    announce          onto the bus
//	      deliver         to the sessions of another pod

// followCommand begins the span of a command below that of its frame or request.
func (g *Gateway) followCommand(r *commit.Request, below tracing.Context) {
	r.Span = g.opts.Tracer.Start(below, tracing.Internal, "commit")
	r.Span.Set(tracing.Text(tracing.Conv, r.Key.Conv))
}

// endCommand ends it, with what became of the command.
func endCommand(span *tracing.Span, res *commit.Result) {
	switch {
	case span == nil:
		return
	case res.Err != nil:
		span.Fail(string(res.Err.Code))
	default:
		span.Set(tracing.Number(tracing.Seq, res.Entry.Seq))
	}
	span.End()
}

// deliver hands a frame to this pod's sessions.
func (g *Gateway) deliver(f *route.Frame, below tracing.Context) {
	if !below.Sampled() {
		g.table.Route(f)
		return
	}
	span := g.opts.Tracer.Start(below, tracing.Consumer, "deliver")
	span.Set(tracing.Text(tracing.Pod, g.Pod()), tracing.Text(tracing.Conv, f.Key.Conv), tracing.Number(tracing.Seq, f.Seq))
	g.table.Route(f)
	span.End()
}

// followAnnouncement begins a span for each entry that is followed, and has other
// pods go on below that.
func (g *Gateway) followAnnouncement(list []route.Announced) (spans []*tracing.Span) {
	for i := range list {
		if a := &list[i]; a.Trace.Sampled() {
			span := g.opts.Tracer.Start(a.Trace, tracing.Producer, "announce")
			span.Set(tracing.Text(tracing.Pod, g.Pod()), tracing.Number(tracing.Entries, len(list)))
			a.Trace = span.Context()
			spans = append(spans, span)
		}
	}
	return spans
}

func endAll(spans []*tracing.Span) {
	for _, s := range spans {
		s.End()
	}
}
