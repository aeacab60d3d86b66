package gateway

import (
	"net/http"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
)

// maxBatchBody bounds a batch in bytes.
const maxBatchBody = 1 << 20

// postBatch sends several messages. They are submitted together, so that one flush
// may take them all; those of one sender in one conversation keep their order, and
// none overtakes one that had no answer. The batch is no transaction: it is repeated
// as a whole, or only what had no answer, with the same cmids.
func (g *Gateway) postBatch(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	var in wire.PostMessages
	if err := rest.ReadJSON(w, r, maxBatchBody, &in); err != nil {
		return err
	}
	if n := len(in.Messages); n == 0 || n > wire.MaxBatch {
		return chat.Errorf(chat.CodeBadRequest, `"messages" must have 1 to %d messages`, wire.MaxBatch)
	}
	if err := g.mayStore(id, len(in.Messages)); err != nil {
		return err
	}
	type lane struct {
		key  chat.Key
		from chat.User
	}
	streams := make(map[lane]*commit.Stream)
	out := wire.BatchResult{Items: make([]wire.BatchItem, len(in.Messages))}
	answers := make([]chan commit.Result, len(in.Messages))
	for i := range in.Messages {
		m := &in.Messages[i]
		if !m.CMID.Valid() {
			out.Items[i].Error = wire.NewBatchError(chat.Errorf(chat.CodeBadRequest, `"cmid" is missing or not of the form [A-Za-z0-9_-]{1,64}`))
			continue
		}
		cmd, err := g.messageOf(r.Context(), id, m, m.CMID)
		if cmd == nil {
			out.Items[i].Error = wire.NewBatchError(err)
			continue
		}
		l := lane{cmd.Key, cmd.From}
		if streams[l] == nil {
			streams[l] = new(commit.Stream)
		}
		if err != nil { // its attachments cannot be reached now
			streams[l].Withhold(m.CMID)
			out.Items[i].Error = wire.NewBatchError(err)
			continue
		}
		req, done := requestOf(cmd), make(chan commit.Result, 1)
		req.Stream = streams[l]
		req.Done = func(res commit.Result) { done <- res }
		answers[i] = done
		g.commit.Submit(req)
	}
	for i, done := range answers {
		if done != nil {
			out.Items[i] = batchItem(r, done)
		}
	}
	rest.JSON(w, http.StatusOK, out)
	return nil
}

// batchItem waits for an answer. Who waits no more does not stop the commit.
func batchItem(r *http.Request, done <-chan commit.Result) wire.BatchItem {
	var res commit.Result
	select {
	case res = <-done:
	case <-r.Context().Done():
		res.Err = chat.Unavailable("no answer in time; repeat this unchanged")
	}
	if res.Err != nil {
		return wire.BatchItem{Error: wire.NewBatchError(res.Err)}
	}
	ack := wire.NewAck("", &res.Entry, res.Dup)
	return wire.BatchItem{Ack: ack}
}
