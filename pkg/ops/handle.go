package ops

import (
	"net/http"
	"net/url"

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

// HandleAction does something on POST path, with the query's values, and answers 204;
// an error is the operator's, and is answered with 400 and its text. It comes before
// Serve.
func (s *Server) HandleAction(path string, do func(query url.Values) error) {
	s.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.URL.Query()); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
