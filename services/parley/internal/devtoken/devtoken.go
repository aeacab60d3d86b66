// Package devtoken gives out tokens to whoever asks, so that people can try a
// deployment out without a login of their own. Whoever reaches it can be anybody: it
// has no place where others can. It is of the all-in-one binary alone: the production
// programs have nothing that signs.
package devtoken

import (
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/wire"
)

// Path is where clients ask.
const Path = "/dev/token"

// TTL is how long these tokens are good.
const TTL = 24 * time.Hour

// Handler answers POST {"user": "alice"} with a token that sign made for the user. The
// error of sign is what the client gets, if it is a chat.Error.
func Handler(sign func(chat.User) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			rest.MethodNotAllowed(w, http.MethodPost, `ask with POST {"user": "alice"}`)
			return
		}
		var in wire.TokenRequest
		if err := rest.ReadJSON(w, r, 4<<10, &in); err != nil {
			rest.Error(w, err)
			return
		}
		if !in.User.Valid() {
			rest.Error(w, chat.Errorf(chat.CodeBadRequest, `"user" is missing or not a user id`))
			return
		}
		token, err := sign(in.User)
		if err != nil {
			rest.Error(w, err)
			return
		}
		rest.JSON(w, http.StatusOK, wire.Token{Token: token})
	})
}
