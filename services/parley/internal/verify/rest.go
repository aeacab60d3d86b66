package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	answerBytes  = 32 << 20               // most of an answer that is read
	requestTime  = 15 * time.Second       // of one request
	retryBetween = 200 * time.Millisecond // after an answer that says nothing about the outcome
	pageItems    = 200
)

// api speaks to the REST API in the name of many users.
type api struct {
	base  string
	token func(ctx context.Context, user chat.User) (string, error)
	http  *http.Client

	mu     sync.Mutex
	tokens map[chat.User]string
}

func newAPI(base string, token func(context.Context, chat.User) (string, error)) *api {
	return &api{
		base: strings.TrimSuffix(base, "/"), token: token, tokens: map[chat.User]string{},
		http: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4}},
	}
}

func (a *api) close() { a.http.CloseIdleConnections() }

// tokenOf fetches a user's token once; old, if set, is one that was refused.
func (a *api) tokenOf(ctx context.Context, user chat.User, old string) (string, error) {
	a.mu.Lock()
	t := a.tokens[user]
	a.mu.Unlock()
	if t != "" && t != old {
		return t, nil
	}
	t, err := a.token(ctx, user)
	if err != nil {
		return "", fmt.Errorf("get a token for %s: %w", user, err)
	}
	a.mu.Lock()
	a.tokens[user] = t
	a.mu.Unlock()
	return t, nil
}

// do makes one request and repeats it while the answer says nothing about the
// outcome, until ctx ends. Other refusals are a [*chat.Error]. out may be nil.
func (a *api) do(ctx context.Context, user chat.User, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
	}
	old := ""
	for {
		token, err := a.tokenOf(ctx, user, old)
		if err == nil {
			err = a.once(ctx, token, method, path, body, out)
		}
		var ce *chat.Error
		switch {
		case err == nil:
			return nil
		case errors.As(err, &ce) && ce.Code == chat.CodeUnauthenticated && old == "":
			old = token
			continue
		case errors.As(err, &ce) && ce.Code != chat.CodeUnavailable && ce.Code != chat.CodeInternal && ce.Code != chat.CodeRateLimited:
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		timer := time.NewTimer(retryBetween)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
}

func (a *api) once(ctx context.Context, token, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, reader)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return problemOf(resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// problemOf turns an error answer into an error; one that is no problem document
// comes from something in between, and says nothing if its status is 5xx.
func problemOf(status int, answer []byte) error {
	var p wire.Problem
	if json.Unmarshal(answer, &p) == nil && p.Code != "" {
		return &chat.Error{Code: p.Code, Message: p.Detail}
	}
	text := http.StatusText(status) + ": " + string(answer[:min(len(answer), 200)])
	switch {
	case status >= 500:
		return chat.Errorf(chat.CodeUnavailable, "%s", text)
	case status == http.StatusNotFound:
		return chat.Errorf("not_found without a problem document", "%s", text)
	}
	return chat.Errorf(chat.CodeBadRequest, "HTTP %d %s", status, text)
}

func convPath(conv chat.ConvID, rest string) string {
	return "/v1/conversations/" + url.PathEscape(string(conv)) + rest
}

// createGroup makes a group; repeated, it is the same one.
func (a *api) createGroup(ctx context.Context, creator chat.User, title string, members []chat.User, cmid chat.CMID) (wire.Conversation, error) {
	in := struct {
		Title   string      `json:"title"`
		Members []chat.User `json:"members"`
		CMID    chat.CMID   `json:"cmid"`
	}{title, members, cmid}
	var out wire.Conversation
	err := a.do(ctx, creator, http.MethodPost, "/v1/conversations", in, &out)
	return out, err
}

// conversation reads one conversation as user sees it.
func (a *api) conversation(ctx context.Context, user chat.User, conv chat.ConvID) (out wire.Conversation, err error) {
	err = a.do(ctx, user, http.MethodGet, convPath(conv, ""), nil, &out)
	return out, err
}

// conversations lists the ids of all conversations of a user.
func (a *api) conversations(ctx context.Context, user chat.User) (all []chat.ConvID, err error) {
	cursor := ""
	for {
		path := "/v1/conversations?limit=" + strconv.Itoa(pageItems)
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		var out wire.List[wire.Conversation]
		if err := a.do(ctx, user, http.MethodGet, path, nil, &out); err != nil {
			return nil, err
		}
		for _, c := range out.Items {
			all = append(all, c.Conv)
		}
		if out.Next == "" || out.Next == cursor {
			return all, nil
		}
		cursor = out.Next
	}
}

// readLog reads a whole conversation: path is /entries or /messages.
func readLog[T any](ctx context.Context, a *api, user chat.User, conv chat.ConvID, path string, factOf func(*T) Fact) (all []Fact, head chat.Seq, err error) {
	after := chat.Seq(0)
	for {
		var page wire.Page[T]
		q := fmt.Sprintf("%s?after=%d&limit=%d", path, after, pageItems)
		if err := a.do(ctx, user, http.MethodGet, convPath(conv, q), nil, &page); err != nil {
			return nil, 0, err
		}
		for i := range page.Items {
			all = append(all, factOf(&page.Items[i]))
			after = max(after, all[len(all)-1].Seq)
		}
		if !page.MoreAfter || len(page.Items) == 0 {
			return all, page.Head, nil
		}
	}
}

// readConv reads back all of one conversation, as it was at one moment: while a
// command that nobody waits for any more is on its way to the store, what is read
// later shows more than what was read before, and the two do not fit together. So
// everything is read again until the head is the same before and after. It ends
// because nobody sends, or with ctx.
func (a *api) readConv(ctx context.Context, conv chat.ConvID, members []chat.User) (*Conv, error) {
	before, err := a.conversation(ctx, members[0], conv)
	for err == nil {
		var c *Conv
		if c, err = a.readOnce(ctx, conv, members); err != nil {
			break
		}
		var after wire.Conversation
		if after, err = a.conversation(ctx, members[0], conv); err == nil && after.Head == before.Head {
			return c, nil
		}
		before = after
	}
	return nil, err
}

// readOnce reads a conversation's log and its folded view, one after the other.
func (a *api) readOnce(ctx context.Context, conv chat.ConvID, members []chat.User) (*Conv, error) {
	c := &Conv{Members: slices.Clone(members)}
	var err error
	if c.Entries, c.Head, err = readLog(ctx, a, members[0], conv, "/entries", factOf); err != nil {
		return nil, err
	}
	// Another member reads the messages: both must see the same.
	if c.Messages, _, err = readLog(ctx, a, members[len(members)-1], conv, "/messages", foldedOf); err != nil {
		return nil, err
	}
	return c, nil
}
