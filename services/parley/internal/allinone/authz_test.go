package allinone

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

// Who may read what, and what dev tokens are worth, for every request of the contract.
func TestAuthorisation(t *testing.T) {
	data := t.TempDir()
	c := start(t, Options{Data: data, DevTokens: true, Files: Files{Where: "disk"}})
	key, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: SecretFile(data)})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: key.HS256Secret})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	server := authz.Server{URL: c.URLs[0], Sent: true, HTTP: client, Sign: func(id auth.Identity) (string, error) { return signer.Sign(id, time.Hour) }}
	realms := map[string]*authz.Realm{}
	for _, role := range authz.Roles { // nothing below changes anything
		if realms[role.Name], err = server.NewRealm(t.Context(), "t-"+role.Name, role.Name); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []struct {
		rows []authz.Row
		by   spec.Service
	}{{authz.History, spec.History}, {authz.Dev, spec.AllInOne}} {
		ops := authz.Operations(m.by)
		for _, row := range m.rows {
			var got []string
			for _, role := range authz.Roles {
				status, err := realms[role.Name].Ask(t.Context(), ops[row.ID], row)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(status))
			}
			if strings.Join(got, " ") != row.Want {
				t.Errorf("%s %s:\n got  %v\n want %v", row.ID, row.Name, strings.Join(got, " "), row.Want)
			}
		}
	}
}
