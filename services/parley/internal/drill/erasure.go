package drill

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

const (
	erased       = chat.User("erased")
	witness      = chat.User("witness")
	eraseGroups  = 2
	eraseTexts   = 400 // of each of the two, in each group
	eraseSecret  = "zqxsecret"
	eraseKept    = "keptword"
	slowForErase = 60 // ms of each answer of the store, so that the middle lasts
)

// erasureUnderFire sees that nothing of a user is left whose erasure was in the middle of
// a log when its gateway was killed, and all of the other one.
func erasureUnderFire(ctx context.Context, w *world, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	var convs []chat.ConvID
	for range eraseGroups {
		conv, err := w.group(ctx, witness, []chat.User{erased})
		if err != nil {
			return err
		}
		convs = append(convs, conv)
		if err := w.write(ctx, conv); err != nil {
			return err
		}
	}
	if err := w.sees(ctx, convs); err != nil {
		return err
	}
	for _, g := range w.cluster.Gateways {
		k := w.store[g.Name]
		if err := k.slow(fromServer, slowForErase, 5); err != nil {
			return err
		}
		defer k.heal()
	}
	middle := func(j *wire.Job) bool {
		return j.State == wire.JobRunning && j.Progress.Messages > 0 && j.Progress.Messages < eraseGroups*eraseTexts
	}
	_, err := w.killInJob(ctx, r, middle, func(g *procs.Process, _ int) (chat.JobID, error) {
		var e wire.Erasure
		err := w.ask(ctx, g.URL(), "POST", "/v1/users/"+string(erased)+"/erase", "root", map[string]any{"cmid": client.NewCMID()}, &e, auth.ScopeEraseAny)
		return e.ID, err
	})
	if err != nil {
		return err
	}
	for _, k := range w.store {
		k.heal()
	}
	for _, conv := range convs {
		if err := w.judgeErased(ctx, conv, r); err != nil {
			return err
		}
	}
	left, _, err := w.tracesLeft(ctx)
	for _, path := range left {
		r.violated("GET " + path + " still tells what was erased")
	}
	return err
}

// write has the two users of a group say something in turns, with edits.
func (w *world) write(ctx context.Context, conv chat.ConvID) error {
	const batch = 200
	for from := 0; from < eraseTexts; from += batch {
		for _, user := range []chat.User{erased, witness} {
			word := eraseSecret
			if user == witness {
				word = eraseKept
			}
			var list []map[string]any
			for i := range batch {
				list = append(list, map[string]any{"conv": conv, "cmid": client.NewCMID(), "body": map[string]string{"text": fmt.Sprint(word, " ", from+i)}})
			}
			var out wire.BatchResult
			if err := w.ask(ctx, w.cluster.History.URL(), "POST", "/v1/messages/batch", user, map[string]any{"messages": list}, &out); err != nil {
				return err
			}
			for i, item := range out.Items {
				if item.Error != nil {
					return fmt.Errorf("write message %d: %s", i, item.Error.Message)
				}
			}
			if user == erased { // the first of the batch once more, so that there is an edit
				path := fmt.Sprintf("/v1/conversations/%s/messages/%d", conv, out.Items[0].Ack.Seq)
				in := map[string]any{"cmid": client.NewCMID(), "body": map[string]string{"text": eraseSecret + " edited"}}
				if err := w.ask(ctx, w.cluster.History.URL(), "PATCH", path, user, in, nil); err != nil {
					return err
				}
			}
		}
	}
	in := map[string]any{"conv": conv, "cmid": client.NewCMID(), "body": map[string]string{"text": eraseSecret + ", the preview"}}
	return w.ask(ctx, w.cluster.History.URL(), "POST", "/v1/messages", erased, in, nil)
}

// judgeErased reads a whole log, as its other member.
func (w *world) judgeErased(ctx context.Context, conv chat.ConvID, r *Result) error {
	left, lost, entries := 0, 0, 0
	for after := chat.Seq(0); ; {
		var page wire.Page[wire.Entry]
		path := fmt.Sprintf("/v1/conversations/%s/entries?after=%d&limit=200", conv, after)
		if err := w.ask(ctx, w.cluster.History.URL(), "GET", path, witness, nil, &page); err != nil {
			return err
		}
		for _, e := range page.Items {
			if after++; e.Seq != after {
				r.violated(fmt.Sprintf("the log of %s has a hole before %d", conv, e.Seq))
				return nil
			}
			switch {
			case e.From == erased && len(e.Body) > 0, bytes.Contains(e.Body, []byte(eraseSecret)):
				left++
			case e.From == witness && e.Type == string(chat.KindMessage) && !bytes.Contains(e.Body, []byte(eraseKept)):
				lost++
			}
		}
		if entries += len(page.Items); len(page.Items) == 0 {
			break
		}
	}
	r.Sent, r.Acked, r.Stored = r.Sent+2*eraseTexts, r.Acked+2*eraseTexts, r.Stored+int64(entries)
	if left > 0 || lost > 0 {
		r.violated(fmt.Sprintf("%s: %d entries of the erased user have a body, %d of the other one have none", conv, left, lost))
	}
	if want := 2*eraseTexts + eraseTexts/200; entries < want {
		r.violated(fmt.Sprintf("%s has %d entries, and had %d", conv, entries, want))
	}
	return nil
}

// tracesLeft are the requests beside those for the logs that tell a text of the user: the
// list of the other one, with previews, and the user's own export. Search is judged by the
// tests of package gateway: the store in memory has no index.
func (w *world) tracesLeft(ctx context.Context) (left []string, all int, err error) {
	asks := []struct {
		path string
		as   chat.User
	}{{"/v1/conversations?limit=50", witness}, {"/v1/export?user=" + string(erased), "root"}}
	for _, a := range asks {
		text, err := w.text(ctx, a.path, a.as)
		if err != nil {
			return nil, 0, err
		}
		if strings.Contains(text, eraseSecret) {
			left = append(left, a.path)
		}
	}
	return left, len(asks), nil
}

// sees makes sure that what is judged later is there now, and is seen: a judge who sees
// nothing proves nothing.
func (w *world) sees(ctx context.Context, convs []chat.ConvID) error {
	var r Result
	for _, conv := range convs {
		if err := w.judgeErased(ctx, conv, &r); err != nil {
			return err
		}
	}
	if r.Violations != len(convs) {
		return fmt.Errorf("before the erasure %d of %d logs have the texts", r.Violations, len(convs))
	}
	left, all, err := w.tracesLeft(ctx)
	if err == nil && len(left) != all {
		err = fmt.Errorf("before the erasure only %q tell the texts", left)
	}
	return err
}

// text is an answer as it is.
func (w *world) text(ctx context.Context, path string, user chat.User) (string, error) {
	token, err := w.cluster.Scoped(user, auth.ScopeOperator)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.cluster.History.URL()+path, nil)
	if err != nil {
		return "", fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("GET %s: %w", path, err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s %w", path, res.Status, err)
	}
	return b.String(), nil
}
