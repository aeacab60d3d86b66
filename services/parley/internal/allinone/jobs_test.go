package allinone

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/wire"
)

// scoped is a token with scopes.
func scoped(t *testing.T, dir string, scopes ...string) string {
	t.Helper()
	keys, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: SecretFile(dir)})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: keys.HS256Secret})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := signer.Sign(auth.Identity{User: "root", Scopes: scopes}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// done waits until a job is done.
func done(t *testing.T, address, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		var j wire.JobStatus
		if status := do(t, "GET", address, token, "", &j); status != http.StatusOK || j.State == wire.JobFailed {
			t.Fatalf("%d %+v", status, j)
		}
		if j.State == wire.JobDone {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("not done in time: %+v", j)
		}
	}
}

// Nothing of what was erased can be read from the folder's store, and no file has it.
func TestErasedIsInNoRow(t *testing.T) {
	dir := t.TempDir()
	c, err := Start(t.Context(), Options{Data: dir, Gateways: 2, DevTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := token(t, c.URLs[0], "alice"), token(t, c.URLs[0], "bob")
	const secret = "qzxsecret"
	post := func(method, path, tok, in string) {
		t.Helper()
		if status := do(t, method, c.URLs[0]+path, tok, in, nil); status != http.StatusOK {
			t.Fatalf("%s %s: %d", method, path, status)
		}
	}
	var f wire.File
	if status := do(t, "POST", c.URLs[0]+"/v1/attachments", alice, fmt.Sprintf(`{"to":"bob","name":"%s.txt","type":"text/plain","size":9,"cmid":"f1"}`, secret), &f); status != http.StatusCreated {
		t.Fatal(status)
	}
	if res, _ := fetch(t, f.Upload.Method, c.URLs[1], f.Upload.URL, []byte(secret)); res.StatusCode != http.StatusOK {
		t.Fatal(res.StatusCode)
	}
	post("POST", "/v1/messages", alice, fmt.Sprintf(`{"to":"bob","cmid":"m1","body":{"text":"%s one","attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, secret, f.ID))
	post("PATCH", "/v1/conversations/"+string(f.Conv)+"/messages/1", alice, fmt.Sprintf(`{"cmid":"e1","body":{"text":"%s two"}}`, secret))
	post("POST", "/v1/messages", bob, `{"to":"alice","cmid":"m2","body":{"text":"kept"}}`)
	post("POST", "/v1/messages", alice, fmt.Sprintf(`{"to":"bob","cmid":"m3","body":{"text":"%s three"}}`, secret))
	search(t, c.URLs[0], bob, secret, 2)
	root := scoped(t, dir, auth.ScopeSendAny, auth.ScopeEraseAny)
	var b wire.Broadcast
	in := fmt.Sprintf(`{"from":"alice","users":["carol","dave"],"body":{"text":"%s to all"},"cmid":"b1"}`, secret)
	if status := do(t, "POST", c.URLs[1]+"/v1/broadcasts", root, in, &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	done(t, c.URLs[0]+"/v1/broadcasts/"+string(b.ID), root)
	var e wire.Erasure
	if status := do(t, "POST", c.URLs[1]+"/v1/users/alice/erase", root, `{"cmid":"x1"}`, &e); status != http.StatusAccepted {
		t.Fatal(status)
	}
	done(t, c.URLs[0]+"/v1/erasures/"+string(e.ID), root)
	search(t, c.URLs[0], bob, secret, 0)
	search(t, c.URLs[0], bob, "kept", 1)
	stop(t, c)

	db, err := pebble.Open(filepath.Join(dir, "store"), &pebble.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, kept := 0, false
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		rows++
		kept = kept || bytes.Contains(it.Value(), []byte(`"kept"`))
		if bytes.Contains(it.Key(), []byte(secret)) || bytes.Contains(it.Value(), []byte(secret)) {
			t.Errorf("%q: %q", it.Key(), it.Value())
		}
	}
	if rows < 20 || !kept {
		t.Errorf("%d rows, others' texts are left: %v", rows, kept)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == filepath.Join(dir, "store") {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s has it", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
