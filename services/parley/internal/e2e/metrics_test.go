package e2e

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/services/parley/internal/observe"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// The processes register what docs/metrics.md says of them, and show none of it
// under another name.
func TestMetricsAreDocumented(t *testing.T) {
	markdown, err := os.ReadFile("../../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := observe.Table(string(markdown))
	if err != nil {
		t.Fatal(err)
	}
	for binary, p := range map[observe.Binary]*procs.Process{observe.Gateway: cluster.Gateways[0], observe.History: cluster.History} {
		var list []ops.Metric
		if err := json.Unmarshal([]byte(fetch(t, p.OpsURL()+"/metrics/list")), &list); err != nil {
			t.Fatal(err)
		}
		for _, d := range observe.Compare(rows, binary, list) {
			t.Errorf("%s: %s", p.Name, d)
		}
		named := map[string]bool{}
		for _, m := range list {
			named[m.Name] = true
		}
		for line := range strings.Lines(fetch(t, p.OpsURL()+"/metrics")) {
			if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" && strings.HasPrefix(f[2], "parley_") && !named[f[2]] {
				t.Errorf("%s shows %s, which is not in its list", p.Name, f[2])
			}
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return text.String()
}
