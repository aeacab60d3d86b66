package chat

import "testing"

func TestParseKeep(t *testing.T) {
	for in, want := range map[string]int{"": 0, "1h": 1, "720h": 720, "30d": 720, "3650d": MaxKeep, "87600h": MaxKeep} {
		hours, ok := ParseKeep(in)
		if !ok || hours != want {
			t.Errorf("%q: %d, %v; want %d", in, hours, ok, want)
		}
		if again, ok := ParseKeep(KeepString(hours)); !ok || again != want {
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
		{Keep{}, Keep{1, 1, false}, true}, {Keep{1, 5, false}, Keep{2, 0, false}, true}, {Keep{2, 0, false}, Keep{1, 5, false}, false},
		{Keep{2, 1, false}, Keep{2, 2, false}, true}, {Keep{2, 2, false}, Keep{2, 1, false}, false}, {Keep{2, 2, false}, Keep{2, 2, false}, false},
		{Keep{2, 0, false}, Keep{2, 0, true}, true}, {Keep{2, 0, true}, Keep{2, 0, false}, false}, {Keep{2, 0, true}, Keep{2, 0, true}, false},
		{Keep{2, 0, true}, Keep{2, 1, false}, true}, {Keep{2, 1, false}, Keep{2, 0, true}, false}, {Keep{2, 5, false}, Keep{3, 0, true}, true}, {Keep{3, 0, true}, Keep{2, 5, false}, false},
	} {
		if got := c.a.Below(c.b); got != c.want {
			t.Errorf("%+v below %+v: %v", c.a, c.b, got)
		}
	}
}

func TestKeepFor(t *testing.T) {
	for _, c := range []struct {
		k       Keep
		decided bool
		hours   int
	}{{Keep{}, false, 24}, {Keep{Version: 5, Default: true}, false, 24}, {Keep{Version: 5}, true, 0}, {Keep{Version: 5, Hours: 720}, true, 720}} {
		if c.k.Decided() != c.decided || c.k.For(24) != c.hours {
			t.Errorf("%+v: decided %v, for %d", c.k, c.k.Decided(), c.k.For(24))
		}
	}
}
