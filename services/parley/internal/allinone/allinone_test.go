package allinone

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func do(t *testing.T, method, url, token, body string, out any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if out != nil {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode
}

func token(t *testing.T, url, user string) string {
	t.Helper()
	var out struct{ Token string }
	if status := do(t, "POST", url+"/dev/token", "", `{"user":"`+user+`"}`, &out); status != 200 || out.Token == "" {
		t.Fatalf("dev token: %d", status)
	}
	return out.Token
}

func TestWhatWasSentIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	c, err := Start(t.Context(), Options{Data: dir, Gateways: 3, DevTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.URLs) != 3 {
		t.Fatalf("%v", c.URLs)
	}
	tok := token(t, c.URLs[0], "alice")
	for i, url := range c.URLs {
		body := `{"to":"bob","cmid":"m` + string(rune('0'+i)) + `","body":{"text":"hello"}}`
		var ack struct{ Seq int }
		if status := do(t, "POST", url+"/v1/messages", tok, body, &ack); status != 200 || ack.Seq != i+1 {
			t.Fatalf("send: %d %+v", status, ack)
		}
	}
	stop(t, c)

	c = start(t, Options{Data: dir, DevTokens: true})
	var list struct {
		Items []struct {
			Conv   string
			Unread int
			Count  int
		}
	}
	// The secret was kept, so the old token is good, and so is a new one.
	for _, tok := range []string{tok, token(t, c.URLs[0], "alice")} {
		if status := do(t, "GET", c.URLs[0]+"/v1/conversations", tok, "", &list); status != 200 || len(list.Items) != 1 || list.Items[0].Count != 3 {
			t.Fatalf("%d %+v", status, list)
		}
	}
}

func TestDevTokensCanBeSwitchedOff(t *testing.T) {
	c := start(t, Options{Data: t.TempDir()})
	if status := do(t, "POST", c.URLs[0]+"/dev/token", "", `{"user":"alice"}`, nil); status != 404 {
		t.Fatalf("dev token: %d", status)
	}
	if _, err := c.Token("alice"); err == nil {
		t.Fatal("a token, although they are off")
	}
}

func TestDevTokenIsNotForForeignPages(t *testing.T) {
	c := start(t, Options{Data: t.TempDir(), DevTokens: true})
	req, _ := http.NewRequestWithContext(t.Context(), "POST", c.URLs[0]+"/dev/token", strings.NewReader(`{"user":"alice"}`))
	req.Header.Set("Origin", "https://evil.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 403 {
		t.Fatalf("status %d", res.StatusCode)
	}
}

func TestFrontPage(t *testing.T) {
	c := start(t, Options{Data: t.TempDir(), DevTokens: true, Version: "1.2.3"})
	res, err := http.Get(c.URLs[0] + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || res.Header.Get("Content-Security-Policy") == "" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
}

func TestTwoCannotHaveOneFolder(t *testing.T) {
	dir := t.TempDir()
	start(t, Options{Data: dir})
	if c, err := Start(t.Context(), Options{Data: dir}); err == nil {
		stop(t, c)
		t.Fatal("started twice")
	} else if !strings.Contains(err.Error(), "lock") { // another process is told more: pebblestore.ErrInUse
		t.Fatal(err)
	}
}
