package wire

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// What each frame must look like, beyond its types. Whether it may be done is
// judged later, against the conversation.

// Check is what [Decode] checks of a frame that was made in another way, such as
// from a REST request.
func Check(f Frame, lim chat.Limits) *chat.Error { return f.check(lim) }

func bad(format string, args ...any) *chat.Error {
	return chat.Errorf(chat.CodeBadRequest, format, args...)
}

// first returns the first problem of several.
func first(errs ...*chat.Error) *chat.Error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

func checkConv(c chat.ConvID) *chat.Error {
	if !c.Valid() {
		return bad(`"conv" is missing or not a conversation id`)
	}
	return nil
}

func checkCMID(c chat.CMID) *chat.Error {
	if !c.Valid() {
		return bad(`"cmid" is missing or not of the form [A-Za-z0-9_-]{1,64}`)
	}
	return nil
}

// CheckUser is the error for a user id of the wrong form in a field.
func CheckUser(field string, u chat.User) *chat.Error {
	if !u.Valid() {
		return bad("%q is missing or not a user id", field)
	}
	return nil
}

func checkSeq(field string, s *chat.Seq, min chat.Seq) *chat.Error {
	if s == nil {
		return bad("%q is missing", field)
	}
	if *s < min || *s > chat.MaxSeq {
		return bad("%q is out of range", field)
	}
	return nil
}

func checkUsers(field string, users []chat.User, most int) *chat.Error {
	if len(users) > most {
		return bad("%q has more than %d users", field, most)
	}
	if len(users) == 0 {
		return nil
	}
	seen := make(map[chat.User]bool, len(users))
	for _, u := range users {
		if !u.Valid() || seen[u] {
			return bad("%q has an id that is no user's, or one twice", field)
		}
		seen[u] = true
	}
	return nil
}

// checkMentions: users, or everybody.
func checkMentions(users []chat.User) *chat.Error {
	if len(users) == 1 && users[0] == chat.MentionAll {
		return nil
	}
	return checkUsers("mentions", users, chat.MaxMentions)
}

func checkToken(t string) *chat.Error {
	if t == "" {
		return bad(`"token" is missing`)
	}
	return nil
}

func (h *Hello) check(chat.Limits) *chat.Error {
	if h.Device == "" {
		h.Device = chat.DefaultDevice
	}
	if !h.Device.Valid() {
		return bad(`"device" is not of the form [A-Za-z0-9_-]{1,64}`)
	}
	if h.Attempt != nil && (*h.Attempt < 0 || *h.Attempt > int64(chat.MaxSeq)) {
		return bad(`"attempt" is out of range`)
	}
	if h.Flush < 0 {
		return bad(`"flush" is out of range`)
	}
	if h.Resume == nil {
		return nil
	}
	if len(h.Resume.Cursors) > chat.MaxCursors {
		return bad(`"resume.cursors" has more than %d conversations`, chat.MaxCursors)
	}
	for conv, seq := range h.Resume.Cursors {
		if !conv.Valid() || seq < 0 || seq > chat.MaxSeq {
			return bad(`"resume.cursors" has a key that is no conversation id, or a seq out of range`)
		}
	}
	return nil
}

func (a *Auth) check(chat.Limits) *chat.Error { return checkToken(a.Token) }

func (s *Send) check(lim chat.Limits) *chat.Error {
	cerr := s.checkPlace()
	if cerr == nil {
		s.Body, cerr = checkBody(s.Body, lim)
	}
	return cerr
}

// checkPlace checks all but the body.
func (s *Send) checkPlace() *chat.Error {
	if (s.Conv == "") == (s.To == "") {
		return bad(`exactly one of "conv" and "to" must be given`)
	}
	var cerr *chat.Error
	if s.Conv != "" {
		cerr = checkConv(s.Conv)
	} else {
		cerr = CheckUser("to", s.To)
	}
	if cerr = first(cerr, checkCMID(s.CMID), checkMentions(s.Mentions)); cerr != nil {
		return cerr
	}
	if s.ReplyTo != nil {
		return checkSeq("reply_to", s.ReplyTo, 1)
	}
	return nil
}

func (r *Recv) check(chat.Limits) *chat.Error {
	return first(checkConv(r.Conv), checkSeq("seq", r.Seq, 0))
}

func (r *Read) check(chat.Limits) *chat.Error {
	return first(checkConv(r.Conv), checkSeq("seq", r.Seq, 0))
}

func (e *Edit) check(lim chat.Limits) *chat.Error {
	cerr := first(checkConv(e.Conv), checkSeq("target", e.Target, 1), checkCMID(e.CMID))
	if cerr == nil {
		e.Body, cerr = checkBody(e.Body, lim)
	}
	return cerr
}

func (r *Recall) check(chat.Limits) *chat.Error {
	return first(checkConv(r.Conv), checkSeq("target", r.Target, 1), checkCMID(r.CMID))
}

func (r *React) check(chat.Limits) *chat.Error {
	if cerr := first(checkConv(r.Conv), checkSeq("target", r.Target, 1), checkCMID(r.CMID)); cerr != nil {
		return cerr
	}
	if !chat.ValidEmoji(r.Emoji) {
		return bad(`"emoji" must be one emoji, of at most %d bytes`, chat.MaxEmojiBytes)
	}
	if r.On == nil {
		return bad(`"on" is missing`)
	}
	return nil
}

func (t *Typing) check(chat.Limits) *chat.Error {
	if t.On == nil {
		return bad(`"on" is missing`)
	}
	return checkConv(t.Conv)
}

// checkWatched: an empty list is none the worse for it, a list that is not there is.
func checkWatched(users []chat.User, lim chat.Limits) *chat.Error {
	if users == nil {
		return bad(`"users" is missing`)
	}
	return checkUsers("users", users, lim.Watch)
}

func (w *Watch) check(lim chat.Limits) *chat.Error {
	return checkWatched(w.Users, lim)
}

func (w *Unwatch) check(lim chat.Limits) *chat.Error {
	return checkWatched(w.Users, lim)
}

func (h *History) check(lim chat.Limits) *chat.Error {
	if cerr := checkConv(h.Conv); cerr != nil {
		return cerr
	}
	given := 0
	for _, p := range []*chat.Seq{h.Before, h.After, h.Around} {
		if p == nil {
			continue
		}
		given++
		if *p < 0 || *p > chat.MaxSeq {
			return bad(`"before", "after" or "around" is out of range`)
		}
	}
	if given != 1 {
		return bad(`exactly one of "before", "after" and "around" must be given`)
	}
	if h.Limit != nil && (*h.Limit < 1 || *h.Limit > lim.Page) {
		return bad(`"limit" must be 1 to %d`, lim.Page)
	}
	return nil
}

func (*Ping) check(chat.Limits) *chat.Error { return nil }

// Body is the content of a message.
type Body struct {
	Text        string         `json:"text,omitempty"`
	Attachments []Attachment   `json:"attachments,omitempty"`
	Data        jsontext.Value `json:"data,omitzero"` // any JSON; null is none
}

// Attachment describes an uploaded file.
type Attachment struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Size  int64  `json:"size"`
	W     int    `json:"w,omitzero"`
	H     int    `json:"h,omitzero"`
	MS    int64  `json:"ms,omitzero"`
	Thumb string `json:"thumb,omitempty"`
}

// ParseBody checks a body and returns it compact and with its fields in one
// order, so that what is stored, hashed and sent is the same bytes. Its limits are
// those of these bytes: a client that escapes what need not be, or writes blanks,
// may send as much text as any other.
func ParseBody(raw []byte, lim chat.Limits) ([]byte, *chat.Error) { return checkBody(raw, lim) }

func checkBody(raw jsontext.Value, lim chat.Limits) (jsontext.Value, *chat.Error) {
	if len(raw) == 0 || raw.Kind() != '{' {
		return nil, bad(`"body" must be an object with text, attachments or data`)
	}
	var b Body
	if err := json.Unmarshal(raw, &b, json.RejectUnknownMembers(true)); err != nil {
		return nil, bad("body: %s", publicReason(err))
	}
	if b.Data.Kind() == 'n' {
		b.Data = nil
	}
	if b.Text == "" && len(b.Attachments) == 0 && len(b.Data) == 0 {
		return nil, bad(`"body" is empty: it needs text, attachments or data`)
	}
	if len(b.Text) > lim.Text {
		return nil, chat.Errorf(chat.CodeTooLarge, `"text" has more than %d bytes`, lim.Text)
	}
	if err := formatData(&b.Data); err != nil {
		return nil, bad("body: %s", publicReason(err))
	}
	if cerr := first(checkAttachments(b.Attachments), checkData(b.Data)); cerr != nil {
		return nil, cerr
	}
	out, err := json.Marshal(&b) // data omits nothing but what was not given: "", [] and {} are data
	if err != nil {
		return nil, bad("body: %s", publicReason(err))
	}
	if len(out) > chat.MaxBody {
		return nil, chat.Errorf(chat.CodeTooLarge, `"body" has more than %d bytes`, chat.MaxBody)
	}
	return out, nil
}

func checkAttachments(list []Attachment) *chat.Error {
	if len(list) > chat.MaxAttachments {
		return chat.Errorf(chat.CodeTooLarge, "more than %d attachments", chat.MaxAttachments)
	}
	for i := range list {
		a := &list[i]
		if a.ID == "" || len(a.ID) > 256 || len(a.Name) > 256 || len(a.Type) > 128 ||
			a.Size < 0 || a.W < 0 || a.H < 0 || a.MS < 0 {
			return bad(`an attachment needs "id", and names and numbers within their bounds`)
		}
	}
	return nil
}

// formatData brings data into the form in which it is marshalled.
func formatData(data *jsontext.Value) error {
	if len(*data) == 0 {
		return nil
	}
	return data.Format()
}

func checkData(data jsontext.Value) *chat.Error {
	if len(data) > chat.MaxData {
		return chat.Errorf(chat.CodeTooLarge, `"data" has more than %d bytes`, chat.MaxData)
	}
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	if deepest > chat.MaxDataDepth {
		return bad(`"data" is nested deeper than %d`, chat.MaxDataDepth)
	}
	return nil
}
