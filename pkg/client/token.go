package client

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

// TokenClaims reads the user and the tenant out of a token, without checking it: a
// client needs them to know the id of a direct conversation before the server has
// told it. From a token that cannot be read user is ""; one that names no tenant
// has [chat.DefaultNS].
func TokenClaims(token string) (user chat.User, ns chat.NS) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", chat.DefaultNS
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", chat.DefaultNS
	}
	var claims struct {
		Subject chat.User `json:"sub"`
		NS      chat.NS   `json:"ns"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return "", chat.DefaultNS
	}
	if !claims.NS.Valid() {
		claims.NS = chat.DefaultNS
	}
	return claims.Subject, claims.NS
}
