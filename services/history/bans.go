package history

import (
	"encoding/base64"
	"net/http"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// bans is GET /v1/bans: what this replica knows, which is what it refuses by.
func (s *Service) bans(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if !id.Has(auth.ScopeRevokeAny) {
		return chat.Errorf(chat.CodeForbidden, "the list of bans needs the scope %s", auth.ScopeRevokeAny)
	}
	q := rest.ParseQuery(r)
	cursor, limit := q.Text("cursor"), q.Int("limit", 1, s.limits.Page)
	if err := q.Err(); err != nil {
		return err
	}
	after, err := userCursor(cursor)
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = min(view.DefaultLimit, s.limits.Page)
	}
	found := s.revoked.Bans(id.NS, after, limit+1)
	list := wire.List[wire.Ban]{Items: []wire.Ban{}}
	if len(found) > limit {
		found = found[:limit]
		list.Next = base64.RawURLEncoding.EncodeToString([]byte(found[limit-1].Name))
	}
	for _, ban := range found {
		list.Items = append(list.Items, wire.Ban{User: chat.User(ban.Name), Until: wire.Time{Time: ban.Until}})
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// userCursor is the user that a list of users goes on behind.
func userCursor(cursor string) (chat.User, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	after := chat.User(raw)
	if err != nil || after != "" && !after.Valid() {
		return "", chat.Errorf(chat.CodeBadRequest, `"cursor" is not one that a list gave as "next"`)
	}
	return after, nil
}
