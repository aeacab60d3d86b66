package allinone

import (
	"net/url"
	"testing"
	"time"
)

type found struct {
	Items []struct {
		ID      string
		Snippet struct {
			Text       string
			Highlights [][2]int
		}
	}
	Exact bool
}

// search asks until there are as many hits as wanted, which is soon.
func search(t *testing.T, address, token, q string, want int) found {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		var list found
		if status := do(t, "GET", address+"/v1/search?q="+url.QueryEscape(q), token, "", &list); status != 200 {
			t.Fatalf("search: %d", status)
		}
		if len(list.Items) == want && list.Exact {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q finds %+v, want %d", q, list, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	c, err := Start(t.Context(), Options{Data: dir, Gateways: 2, DevTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := token(t, c.URLs[0], "alice"), token(t, c.URLs[0], "bob")
	for i, text := range []string{"the weather in Zürich", "明天去北京吗", "no, to zurich"} {
		body := `{"to":"bob","cmid":"m` + string(rune('0'+i)) + `","body":{"text":"` + text + `"}}`
		if status := do(t, "POST", c.URLs[i%2]+"/v1/messages", alice, body, nil); status != 200 {
			t.Fatalf("send: %d", status)
		}
	}
	search(t, c.URLs[0], bob, "zurich", 2)
	list := search(t, c.URLs[1], bob, "北京", 1)
	if s := list.Items[0].Snippet; s.Text != "明天去北京吗" || len(s.Highlights) != 1 || s.Highlights[0] != [2]int{3, 5} {
		t.Errorf("%+v", s)
	}
	search(t, c.URLs[0], token(t, c.URLs[0], "eve"), "zurich", 0)
	stop(t, c)
	c = start(t, Options{Data: dir, DevTokens: true})
	search(t, c.URLs[0], alice, "weather zürich", 1)
}
