package spec

import (
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/contract"
)

// An answer with 200, 201 or 202 has a body, so it says of which type: clients are
// generated that drop what has none.
func TestAnswersSayWhatTheyAre(t *testing.T) {
	var doc OpenAPI
	if err := json.Unmarshal(contract.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			for status, answer := range op.Responses {
				bodyless := status == "101" || status == "204" || status == "302"
				if bodyless != (len(answer.Content) == 0) {
					t.Errorf("%s %s, %s: content %v", method, path, status, answer.Content)
				}
			}
		}
	}
	export := doc.Paths["/v1/export"]["get"].Responses["200"].Content
	if export["application/x-ndjson"] == nil || len(export) != 1 {
		t.Errorf("exports are %v", export)
	}
}
