//go:build mutants

package gateway

import "github.com/parley-chat/parley/pkg/chat"

// Took moves the device's cursor without the device having said so: see package
// session.
func (f *feed) Took(key chat.Key, seq chat.Seq) {
	_ = f.g.receipts.Recv(key, f.id.User, f.id.Device, seq) // a mutant may fail
}
