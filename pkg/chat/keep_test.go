package chat

import "testing"

func TestParseKeep(t *testing.T) {
	for in, want := range map[string]int{"": 0, "1h": 1, "720h": 720, "30d": 720, "3650d": MaxKeep, "87600h": MaxKeep} {
		hours, ok := ParseKeep(in)
		if !ok || hours != want {
			t.Errorf("%q: %d, %v; want %d", in, hours, ok, want)
		}
		if again, ok := ParseKeep(Keep{Hours: hours}.String()); !ok || again != want {
			t.Errorf("%q again: %d, %v", in, again, ok)
		}
	}
	for _, in := range []string{"h", "d", "0h", "01h", "+1h", "-1h", "1", "1m", "1.5h", "1h30m", "87601h", "3651d", "99999999999d", " 1h", "1h ", "é"} {
		if hours, ok := ParseKeep(in); ok {
			t.Errorf("%q: %d", in, hours)
		}
	}
}

func TestKeepBelow(t *testing.T) {
	for _, c := range []struct {
		a, b Keep
		want bool
	}{
		{Keep{}, Keep{1, 1}, true}, {Keep{1, 5}, Keep{2, 0}, true}, {Keep{2, 0}, Keep{1, 5}, false},
		{Keep{2, 1}, Keep{2, 2}, true}, {Keep{2, 2}, Keep{2, 1}, false}, {Keep{2, 2}, Keep{2, 2}, false},
	} {
		if got := c.a.Below(c.b); got != c.want {
			t.Errorf("%+v below %+v: %v", c.a, c.b, got)
		}
	}
}
