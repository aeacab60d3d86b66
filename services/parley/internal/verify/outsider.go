package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	probedConvs = 6               // conversations that the outsider tries
	probeTime   = 5 * time.Second // an answer that has not come by then is none
)

// probe lets somebody who is no member try everything on some conversations, over
// REST and on the socket. In its own log, meanwhile, nothing may appear.
func (l *load) probe(ctx context.Context) {
	l.opt.Progress("trying doors as an outsider")
	var targets []*conversation
	for _, c := range l.convs { // the groups, which are last, and some direct ones
		if head := l.heads[c.conv]; head > 0 && (!c.direct || len(targets) < probedConvs/2) {
			targets = append(targets, c)
		}
	}
	for _, c := range targets[:min(len(targets), probedConvs)] {
		l.probeREST(ctx, c.conv)
		l.probeSocket(ctx, c.conv)
	}
}

func (l *load) probeREST(ctx context.Context, conv chat.ConvID) {
	send := map[string]any{"conv": conv, "cmid": client.NewCMID(), "body": map[string]string{"text": "let me in"}}
	type try struct {
		method, path string
		in           any
	}
	tries := []try{
		{http.MethodGet, convPath(conv, ""), nil},
		{http.MethodGet, convPath(conv, "/members"), nil},
		{http.MethodGet, convPath(conv, "/messages"), nil},
		{http.MethodGet, convPath(conv, "/entries"), nil},
		{http.MethodGet, convPath(conv, "/unread"), nil},
		{http.MethodPost, "/v1/messages", send},
		{http.MethodPatch, convPath(conv, "/messages/1"), map[string]any{"cmid": client.NewCMID(), "body": map[string]any{"text": "let me in"}}},
		{http.MethodDelete, convPath(conv, "/messages/1?cmid="+string(client.NewCMID())), nil},
		{http.MethodPut, convPath(conv, "/messages/1/reactions/%F0%9F%91%80?cmid="+string(client.NewCMID())), nil},
	}
	if conv.Kind() == chat.Group {
		join := map[string]any{"role": "member", "cmid": client.NewCMID()}
		tries = append(tries, try{http.MethodPut, convPath(conv, "/members/"+string(l.outside.user)), join})
	}
	for _, t := range tries {
		err := l.api.do(ctx, l.outside.user, t.method, t.path, t.in, nil)
		l.probes = append(l.probes, Probe{What: t.method + " " + t.path, Conv: conv, Answer: codeOf(err)})
	}
	var listed string
	switch all, err := l.api.conversations(ctx, l.outside.user); {
	case err != nil:
		listed = codeOf(err)
	case len(all) > 0:
		listed = fmt.Sprintf("%d conversations", len(all))
	default:
		listed = string(chat.CodeNotFound) // as it must be: nothing
	}
	l.probes = append(l.probes, Probe{What: "GET /v1/conversations", Conv: conv, Answer: listed})
}

func codeOf(err error) string {
	var ce *chat.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &ce):
		return string(ce.Code)
	}
	return err.Error()
}

func (l *load) probeSocket(ctx context.Context, conv chat.ConvID) {
	none := chat.GroupID("", l.outside.user, client.NewCMID())
	for i, f := range doors(conv) {
		p := Probe{What: "frame " + f.Name(), Conv: conv, Answer: l.knock(ctx, f)}
		if p.Answer != string(chat.CodeNotFound) {
			p.Control = l.knock(ctx, doors(none)[i])
		}
		l.probes = append(l.probes, p)
	}
}

// doors is every frame that names a conversation and is answered.
func doors(conv chat.ConvID) []wire.Frame {
	zero, one, on := chat.Seq(0), chat.Seq(1), true
	text := []byte(`{"text":"let me in"}`)
	return []wire.Frame{
		&wire.History{Conv: conv, After: &zero},
		&wire.Send{Conv: conv, CMID: client.NewCMID(), Body: text},
		&wire.Recv{Conv: conv, Seq: &one},
		&wire.Read{Conv: conv, Seq: &one},
		&wire.Edit{Conv: conv, Target: &one, CMID: client.NewCMID(), Body: text},
		&wire.Recall{Conv: conv, Target: &one, CMID: client.NewCMID()},
		&wire.React{Conv: conv, Target: &one, CMID: client.NewCMID(), Emoji: "👀", On: &on},
	}
}

// knock sends a frame as the outsider and tells the answer.
func (l *load) knock(ctx context.Context, f wire.Frame) string {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	answer, err := l.outside.client.Request(ctx, f)
	if e, refused := answer.(*wire.Error); refused {
		return string(e.Code)
	}
	if err != nil {
		return "no answer"
	}
	return "ok"
}
