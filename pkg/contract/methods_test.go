package contract

import (
	"strings"
	"testing"
)

func TestMethods(t *testing.T) {
	for _, c := range []struct{ path, methods string }{
		{"/v1/conversations", "GET POST"},
		{"/v1/conversations/g_x", "DELETE GET PATCH"},
		{"/v1/conversations/g_x/members/a%2Fb", "DELETE PUT"},
		{"/v1/conversations/g_x/messages", "GET"},
		{"/v1/messages/batch", "POST"},
		{"/v1/messages/x/trace", "GET"},
		{"/v1/conversations/", ""},
		{"/v1/conversations/g_x/nothing", ""},
		{"/v1/devices/phone/push", ""},
		{"/v1", ""},
		{"", ""},
	} {
		if got := strings.Join(Methods(c.path), " "); got != c.methods {
			t.Errorf("%s: %q, want %q", c.path, got, c.methods)
		}
	}
}
