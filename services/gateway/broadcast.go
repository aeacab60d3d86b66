package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/command"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
	"github.com/parley-chat/parley/services/gateway/internal/jobs"
)

const (
	broadcastStep = 100                    // messages of one step: they may be in one flush
	broadcastPace = 200 * time.Millisecond // a step takes so long at least: 500 messages a second
	broadcastBody = 1 << 20                // bytes of a request: room for the longest list
)

// createBroadcast makes the job that sends a message to many users.
func (g *Gateway) createBroadcast(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if !id.Has(auth.ScopeSendAny) {
		return chat.Errorf(chat.CodeForbidden, "a broadcast needs the scope %s", auth.ScopeSendAny)
	}
	var in wire.NewBroadcast
	if err := rest.ReadJSON(w, r, broadcastBody, &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	in.CMID = ""
	if in.From == "" {
		in.From = id.User
	}
	if cerr := g.checkBroadcast(&in, cmid); cerr != nil {
		return cerr
	}
	j := store.Job{NS: id.NS, ID: chat.NewJobID(id.NS, string(job.KindBroadcast), id.User, cmid),
		Kind: job.KindBroadcast, Creator: id.User, Hash: job.Hash(&in)}
	kept, err := g.createJob(r.Context(), j, wire.MaxBroadcasts, func() (payload, progress any, err error) {
		users, err := g.recipients(r.Context(), id, &in)
		if err != nil {
			return nil, nil, err
		}
		p := job.Broadcast{From: in.From, Users: users, Body: in.Body, Silent: in.Silent}
		if in.From != id.User {
			p.Via = string(id.User)
		}
		return p, job.BroadcastProgress{Total: len(users)}, nil
	})
	if err != nil {
		return err
	}
	return answerBroadcast(w, http.StatusAccepted, &kept)
}

func answerBroadcast(w http.ResponseWriter, status int, j *store.Job) error {
	out, err := job.ShowBroadcast(j)
	if err != nil {
		return err
	}
	rest.JSON(w, status, out)
	return nil
}

// checkBroadcast checks the form of a request, and makes its body canonical.
func (g *Gateway) checkBroadcast(in *wire.NewBroadcast, cmid chat.CMID) *chat.Error {
	if cerr := wire.CheckUser("from", in.From); cerr != nil {
		return cerr
	}
	if (len(in.Users) == 0) == (in.Conv == "") {
		return chat.Errorf(chat.CodeBadRequest, `exactly one of "users" and "conv" must be given`)
	}
	if in.Conv != "" && (!in.Conv.Valid() || in.Conv.Kind() != chat.Group) {
		return chat.Errorf(chat.CodeBadRequest, `"conv" is not the id of a group`)
	}
	if len(in.Users) > wire.MaxBroadcast {
		return chat.Errorf(chat.CodeBadRequest, `"users" has %d users, and %d are the most; make several broadcasts`, len(in.Users), wire.MaxBroadcast)
	}
	seen := make(map[chat.User]bool, len(in.Users))
	for _, u := range in.Users {
		if !u.Valid() || seen[u] {
			return chat.Errorf(chat.CodeBadRequest, `"users" has an id that is no user's, or one twice: %.64q`, u)
		}
		seen[u] = true
	}
	f := &wire.Send{To: in.From, CMID: cmid, Body: in.Body}
	if cerr := wire.Check(f, g.opts.Limits); cerr != nil {
		return cerr
	}
	if in.Body = f.Body; len(wire.Attachments(in.Body)) > 0 {
		return chat.Errorf(chat.CodeBadRequest, "a broadcast carries no attachments: each is uploaded for one conversation")
	}
	return nil
}

// recipients are the users who are named, or who are in the group now.
func (g *Gateway) recipients(ctx context.Context, id auth.Identity, in *wire.NewBroadcast) ([]chat.User, error) {
	if in.Conv == "" {
		return in.Users, nil
	}
	key := chat.Key{NS: id.NS, Conv: in.Conv}
	convs, err := g.opts.Store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return nil, fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) == 0 || convs[0].Closed != 0 {
		return nil, chat.Errorf(chat.CodeNotFound, "no such group, or it is closed")
	}
	const page = 500
	var users []chat.User
	for after := chat.User(""); ; {
		list, err := g.opts.Store.Members(ctx, key, after, page)
		if err != nil {
			return nil, fmt.Errorf("read members: %w", err)
		}
		for _, m := range list {
			if m.Left == 0 && m.User != in.From {
				users = append(users, m.User)
			}
		}
		if len(users) > wire.MaxBroadcast {
			return nil, chat.Errorf(chat.CodeBadRequest, "the group has more than %d members", wire.MaxBroadcast)
		}
		if len(list) < page {
			return users, nil
		}
		after = list[len(list)-1].User
	}
}

// cancelBroadcast ends a broadcast after the messages that are under way.
func (g *Gateway) cancelBroadcast(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	j, err := g.view.Job(r.Context(), id.NS, chat.JobID(r.PathValue("id")), job.KindBroadcast)
	if err == nil && j.Creator != id.User && !id.Has(auth.ScopeOperator) {
		err = chat.Errorf(chat.CodeNotFound, "no such broadcast, or it is not yours")
	}
	if err != nil {
		return err
	}
	if j, err = g.opts.Store.CancelJob(r.Context(), j.NS, j.ID); err != nil {
		return err
	}
	g.jobs.Wake()
	return answerBroadcast(w, http.StatusOK, &j)
}

// broadcaster does broadcasts. The cmid of each message follows from the job and its
// user, so that whoever repeats a step finds what is stored, and nobody gets two.
type broadcaster struct{ g *Gateway }

// Step implements [jobs.Handler]: it sends to some users, and waits for all answers.
func (b broadcaster) Step(ctx context.Context, j store.Job) (jobs.Step, error) {
	var what job.Broadcast
	var p job.BroadcastProgress
	if len(j.Payload) == 0 { // given up by a version that did not keep it
		return jobs.Step{}, chat.Errorf(chat.CodeNotFound, "what was to be sent is not kept any more; make another broadcast")
	}
	if err := job.Decode(j.Payload, &what); err != nil {
		return jobs.Step{}, err
	}
	if err := job.Decode(j.Progress, &p); err != nil {
		return jobs.Step{}, err
	}
	began, first := time.Now(), p.Next
	users := what.Users[first:min(first+broadcastStep, len(what.Users))]
	who := command.Actor{NS: j.NS, User: what.From, Via: what.Via}
	answers := make([]chan commit.Result, len(users))
	for i, u := range users {
		req := requestOf(command.Send(who, &wire.Send{To: u, CMID: j.ID.CMID(u), Body: what.Body, Silent: what.Silent}))
		done := make(chan commit.Result, 1)
		req.Done = func(res commit.Result) { done <- res }
		answers[i] = done
		b.g.commit.Submit(req)
	}
	for i, u := range users {
		if mutant.Is(mutant.ProgressEarly) {
			_ = noted(&p, u, nil)
			continue
		}
		var open error
		select {
		case res := <-answers[i]:
			open = noted(&p, u, res.Err)
		case <-ctx.Done():
			open = ctx.Err()
		}
		if open != nil && p.Next == first {
			return jobs.Step{}, open
		}
		if open != nil {
			break // what is behind it is sent again, and found to be sent
		}
	}
	return jobs.Step{Progress: wire.Encode(&p), Done: p.Next == len(what.Users), Pause: broadcastPace - time.Since(began)}, nil
}

// noted counts what became of the message to a user; an error says that nothing is
// known yet.
func noted(p *job.BroadcastProgress, u chat.User, cerr *chat.Error) error {
	switch {
	case cerr == nil:
		p.Sent++
	case cerr.Code == chat.CodeUnavailable || cerr.Code == chat.CodeInternal:
		return cerr
	default:
		if p.Failed++; len(p.Errors) < wire.MaxBroadcastErrors {
			p.Errors = append(p.Errors, wire.BroadcastError{User: u, Code: cerr.Code})
		}
	}
	p.Next++
	return nil
}
