package wire

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// NewAttachment announces a file. Exactly one of Conv and To is set.
type NewAttachment struct {
	Conv chat.ConvID `json:"conv,omitempty"`
	To   chat.User   `json:"to,omitempty"`
	Name string      `json:"name"`
	Type string      `json:"type"`
	Size int64       `json:"size"`
	CMID chat.CMID   `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
}

// File is an attachment as REST tells of it.
type File struct {
	ID       chat.AttachmentID `json:"id"`
	Conv     chat.ConvID       `json:"conv"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Size     int64             `json:"size"`
	W        int               `json:"w,omitzero"`
	H        int               `json:"h,omitzero"`
	Thumb    string            `json:"thumb,omitempty"`
	Complete bool              `json:"complete"`         // uploaded, and looked at
	Upload   *Upload           `json:"upload,omitempty"` // how to upload it, where that is asked for
	URL      string            `json:"url,omitempty"`    // where it is now, where that is asked for
	Expires  Time              `json:"expires,omitzero"`
}

// AttachmentPath is where an attachment is asked for.
func AttachmentPath(id chat.AttachmentID) string { return "/v1/attachments/" + string(id) }

// Upload is the request that uploads a file.
type Upload struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Expires Time              `json:"expires"`
}

// Attachments reads those of a body that was checked; nil where it has none.
func Attachments(body []byte) []Attachment {
	// What has none, which is the rule, is not parsed. Inside of a text the quotes
	// are escaped; inside of data it may stand, and is found not to be one.
	if !bytes.Contains(body, []byte(`"attachments":[`)) {
		return nil
	}
	var b Body
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	return b.Attachments
}

// WithAttachments is a checked body with others in the place of its attachments.
func WithAttachments(body []byte, list []Attachment) (jsontext.Value, *chat.Error) {
	var b Body
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, bad("body: %s", publicReason(err))
	}
	b.Attachments = list
	out, err := json.Marshal(&b)
	if err != nil {
		return nil, bad("body: %s", publicReason(err))
	}
	if len(out) > chat.MaxBody {
		return nil, chat.Errorf(chat.CodeTooLarge, `"body" has more than %d bytes with what is known of its attachments`, chat.MaxBody)
	}
	return out, nil
}
