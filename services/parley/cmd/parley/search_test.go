package main

import (
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

func TestSearchRebuild(t *testing.T) {
	dir := t.TempDir()
	c, err := allinone.Start(t.Context(), allinone.Options{Data: dir, DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Token("alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, cmid := range []string{"m1", "m2"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", c.URLs[0]+"/v1/messages",
			strings.NewReader(`{"to":"bob","cmid":"`+cmid+`","body":{"text":"hello"}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()

	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	was := os.Stdout
	os.Stdout = out
	err = searchRebuild(t.Context(), []string{"rebuild", "--data", dir})
	os.Stdout = was
	printed, _ := os.ReadFile(out.Name())
	if err != nil || !strings.Contains(string(printed), "1 conversations, 2 messages\nthe search index is built\n") {
		t.Errorf("%v\n%s", err, printed)
	}
	for _, args := range [][]string{nil, {"drop"}} {
		if err := searchRebuild(t.Context(), args); err == nil {
			t.Errorf("search %v: no error", args)
		}
	}
}
