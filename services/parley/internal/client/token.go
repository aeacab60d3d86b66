package client

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

// TokenNS reads the tenant out of a token, without checking it: what a client
// needs to know the id of a direct conversation before it has one. A token that
// cannot be read, or names none, has [chat.DefaultNS].
func TokenNS(token string) chat.NS {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return chat.DefaultNS
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return chat.DefaultNS
	}
	var claims struct {
		NS chat.NS `json:"ns"`
	}
	if json.Unmarshal(payload, &claims) != nil || !claims.NS.Valid() {
		return chat.DefaultNS
	}
	return claims.NS
}
