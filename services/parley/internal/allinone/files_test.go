package allinone

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/parley-chat/parley/pkg/wire"
)

// fetch carries out a request as a client without a token does.
func fetch(t *testing.T, method, base, target string, body []byte) (*http.Response, []byte) {
	t.Helper()
	b, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, data
}

// A file goes up to one gateway, is sent by another, and comes down from a third,
// also after a restart.
func TestFilesOverAllGateways(t *testing.T) {
	dir := t.TempDir()
	c, err := Start(t.Context(), Options{Data: dir, Gateways: 3, DevTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := token(t, c.URLs[0], "alice"), token(t, c.URLs[0], "bob")
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewGray(image.Rect(0, 0, 640, 480))); err != nil {
		t.Fatal(err)
	}
	var f wire.File
	in := fmt.Sprintf(`{"to":"bob","name":"a b.png","type":"image/png","size":%d,"cmid":"f1"}`, pic.Len())
	if status := do(t, "POST", c.URLs[0]+"/v1/attachments", alice, in, &f); status != http.StatusCreated {
		t.Fatalf("announce: %d", status)
	}
	if res, body := fetch(t, f.Upload.Method, c.URLs[1], f.Upload.URL, pic.Bytes()); res.StatusCode != http.StatusOK {
		t.Fatalf("upload: %d %s", res.StatusCode, body)
	}
	send := fmt.Sprintf(`{"to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, f.ID)
	if status := do(t, "POST", c.URLs[2]+"/v1/messages", alice, send, nil); status != http.StatusOK {
		t.Fatalf("send: %d", status)
	}
	look := func(base string) {
		t.Helper()
		for path, side := range map[string]int{"": 640, "/thumb": 320} {
			var got wire.File
			if status := do(t, "GET", base+"/v1/attachments/"+string(f.ID)+path+"?redirect=0", bob, "", &got); status != http.StatusOK {
				t.Fatalf("where it is: %d", status)
			}
			res, body := fetch(t, "GET", base, got.URL, nil)
			img, _, err := image.Decode(bytes.NewReader(body))
			if err != nil || img.Bounds().Dx() != side || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d %v %v", res.StatusCode, res.Header, err)
			}
		}
	}
	look(c.URLs[1])
	stop(t, c)
	look(start(t, Options{Data: dir, DevTokens: true}).URLs[0])
}

func TestFilesOff(t *testing.T) {
	c := start(t, Options{Data: t.TempDir(), DevTokens: true, Files: Files{Where: "off"}})
	tok := token(t, c.URLs[0], "alice")
	if status := do(t, "POST", c.URLs[0]+"/v1/attachments", tok, `{"to":"bob","name":"a","type":"text/plain","size":1,"cmid":"f1"}`, nil); status != http.StatusNotFound {
		t.Errorf("announce: %d", status)
	}
	if res, _ := fetch(t, "PUT", c.URLs[0], "/v1/blobs/up/x", []byte("x")); res.StatusCode != http.StatusMethodNotAllowed && res.StatusCode != http.StatusNotFound {
		t.Errorf("upload: %d", res.StatusCode)
	}
}
