package mongotest_test

import (
	"testing"

	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/search/searchtest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
)

func TestSearchContract(t *testing.T) {
	server := mongotest.Start(t)
	st := open(t, server, server.URI)
	searchtest.Run(t, func(*testing.T) (search.Store, searchtest.Data) { return st.Search(), st })
}
