package gateway

import (
	"net/http"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/command"
)

// What aims at a message, over HTTP. Each is answered with the ack of its entry.

// pathMessage is the conversation and the message that a path names.
func pathMessage(r *http.Request) (conv chat.ConvID, seq chat.Seq, err error) {
	if conv, err = rest.PathConv(r, "conv"); err != nil {
		return "", 0, err
	}
	seq, err = rest.PathSeq(r, "seq")
	return conv, seq, err
}

func (g *Gateway) editMessage(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, seq, err := pathMessage(r)
	if err != nil {
		return err
	}
	var in wire.EditMessage
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	f := &wire.Edit{Conv: conv, Target: &seq, CMID: cmid, Body: in.Body}
	if cerr := wire.Check(f, g.opts.Limits); cerr != nil {
		return cerr
	}
	cmd := command.Edit(actor(id), f)
	if err := g.attach(r.Context(), cmd, seq, f.Body); err != nil {
		return err
	}
	return g.answerAck(w, r, cmd)
}

func (g *Gateway) recallMessage(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, seq, err := pathMessage(r)
	if err != nil {
		return err
	}
	cmid, err := cmidOf(r, chat.CMID(r.URL.Query().Get("cmid")))
	if err != nil {
		return err
	}
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	return g.answerAck(w, r, command.Recall(actor(id), &wire.Recall{Conv: conv, Target: &seq, CMID: cmid}))
}

func (g *Gateway) react(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	return g.setReaction(w, r, id, true)
}

func (g *Gateway) unreact(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	return g.setReaction(w, r, id, false)
}

func (g *Gateway) setReaction(w http.ResponseWriter, r *http.Request, id auth.Identity, on bool) error {
	conv, seq, err := pathMessage(r)
	if err != nil {
		return err
	}
	cmid, err := cmidOf(r, chat.CMID(r.URL.Query().Get("cmid")))
	if err != nil {
		return err
	}
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	f := &wire.React{Conv: conv, Target: &seq, CMID: cmid, Emoji: rest.PathText(r, "emoji"), On: &on}
	if cerr := wire.Check(f, g.opts.Limits); cerr != nil {
		return cerr
	}
	return g.answerAck(w, r, command.React(actor(id), f))
}

func (g *Gateway) answerAck(w http.ResponseWriter, r *http.Request, cmd *command.Command) error {
	res, err := g.do(r.Context(), cmd)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, wire.NewAck("", &res.Entry, res.Dup))
	return nil
}
