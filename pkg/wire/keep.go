package wire

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// KeepFor is the "keep" of a request: a text, null, or nothing at all.
type KeepFor struct {
	Given bool   // it is there
	Null  bool   // and is null
	Text  string // else
}

// IsZero is for omitzero.
func (k KeepFor) IsZero() bool { return !k.Given }

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (k *KeepFor) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*k = KeepFor{Given: true}
	switch dec.PeekKind() {
	case jsontext.KindNull:
		k.Null = true
		return dec.SkipValue()
	case jsontext.KindString:
		return json.UnmarshalDecode(dec, &k.Text)
	}
	return errors.New("it is neither a string nor null")
}

// MarshalJSONTo implements [json.MarshalerTo].
func (k KeepFor) MarshalJSONTo(enc *jsontext.Encoder) error {
	if !k.Given || k.Null {
		return enc.WriteToken(jsontext.Null)
	}
	return enc.WriteToken(jsontext.String(k.Text))
}
