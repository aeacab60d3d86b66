package wire

import "github.com/parley-chat/parley/pkg/chat"

// MaxBatch is how many messages one batch may have.
const MaxBatch = 500

// PostMessages sends several messages. Each carries its own cmid.
type PostMessages struct {
	Messages []PostMessage `json:"messages"`
}

// BatchResult is what became of each message of a batch, in their order.
type BatchResult struct {
	Items []BatchItem `json:"items"`
}

// BatchItem is what became of one message: either Ack or Error is there.
type BatchItem struct {
	Ack   *Ack        `json:"ack,omitempty"`
	Error *BatchError `json:"error,omitempty"`
}

// BatchError says why a message of a batch has no ack. The codes mean what they
// mean elsewhere.
type BatchError struct {
	Code         chat.Code `json:"code"`
	Message      string    `json:"message"`
	RetryAfterMS int64     `json:"retry_after_ms,omitzero"`
}

// NewBatchError is the public part of an error.
func NewBatchError(err error) *BatchError {
	e := chat.AsError(err)
	return &BatchError{Code: e.Code, Message: e.Message, RetryAfterMS: e.RetryAfter.Milliseconds()}
}

// Trace is how far a message has come. When it was announced is not kept, and there is
// nothing to be said of pushes, which this server does not send.
type Trace struct {
	ID        string      `json:"id"`
	Conv      chat.ConvID `json:"conv"`
	Seq       chat.Seq    `json:"seq"`
	From      chat.User   `json:"from"`
	Via       string      `json:"via,omitempty"`
	Gone      bool        `json:"gone,omitzero"`
	Stored    Time        `json:"stored"`    // the clock of the server that stored it
	Announced bool        `json:"announced"` // it is in the journal that every server reads
	State     string      `json:"state"`     // as in a folded message
	Others    int         `json:"others"`    // members that it is for, without the sender
	Delivered int         `json:"delivered"` // of those
	Read      int         `json:"read"`      // of those, as far as they do not hide it
	// Receipts are the others one by one, in order of user id; left out where there are
	// more than limits.receipt_members.
	Receipts []TraceReceipt `json:"receipts,omitempty"`
}

// TraceReceipt is how far a message has come with one of the others. What is kept is
// when a position was first reached, and not when each message was. So a time is exact
// where the message is where the position stands, else it is known not to be later than
// Before; where neither is given nothing is known of the time.
type TraceReceipt struct {
	User            chat.User `json:"user"`
	Delivered       bool      `json:"delivered"`
	DeliveredAt     Time      `json:"delivered_at,omitzero"`
	DeliveredBefore Time      `json:"delivered_before,omitzero"`
	Read            bool      `json:"read"` // false where it is hidden
	ReadAt          Time      `json:"read_at,omitzero"`
	ReadBefore      Time      `json:"read_before,omitzero"`
}
