package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/contract/authz"
	"github.com/parley-chat/parley/pkg/contract/spec"
)

// authzServer is the cluster's first pod, for the matrix.
func (c *cluster) authzServer() authz.Server {
	return authz.Server{URL: c.urls[0], Sign: func(id auth.Identity) (string, error) { return c.signer.Sign(id, time.Hour) }}
}

// Who may do what, for every request of the contract that changes something.
func TestAuthorisation(t *testing.T) {
	c, _, _ := fileCluster(t, 1)
	defer http.DefaultClient.CloseIdleConnections()
	ops := authz.Operations(spec.Gateway)
	for n, row := range authz.Gateway {
		var got []string
		for _, role := range authz.Roles {
			r, err := c.authzServer().NewRealm(t.Context(), fmt.Sprintf("t%d-%s", n, role.Name), role.Name)
			if err != nil {
				t.Fatal(err)
			}
			status, err := c.askCell(r, ops[row.ID], row)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(status))
		}
		if strings.Join(got, " ") != row.Want {
			t.Errorf("%s %s:\n roles %v\n got  %v\n want %v", row.ID, row.Name, authz.Roles, got, row.Want)
		}
	}
}

// askCell connects with the token in the header, where nobody is refused with a
// status; a client without one may still say it in hello.
func (c *cluster) askCell(r *authz.Realm, op spec.Operation, row authz.Row) (int, error) {
	if op.ID != "connect" {
		return r.Ask(c.t.Context(), op, row)
	}
	token, err := r.Token(r.Role)
	if err != nil {
		return 0, err
	}
	if token == "" {
		token = "none"
	}
	_, res, err := c.dialRaw(0, http.Header{"Authorization": {"Bearer " + token}})
	if res == nil {
		return 0, err
	}
	return res.StatusCode, nil
}
