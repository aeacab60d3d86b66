package ops

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// HandleJSON answers GET path with what read returns, as JSON: for what operators
// ask a binary and no metric tells. It comes before Serve.
func (s *Server) HandleJSON(path string, read func() any) {
	s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		b, err := json.Marshal(read(), json.Deterministic(true))
		if err != nil {
			http.Error(w, "cannot be encoded", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(b, '\n')) // an operator that goes away is nobody's business
	})
}
