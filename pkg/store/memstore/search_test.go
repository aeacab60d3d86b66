package memstore_test

import (
	"testing"

	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/search/searchtest"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestSearchContract(t *testing.T) {
	searchtest.Run(t, func(*testing.T) (search.Store, searchtest.Data) {
		s := memstore.New(memstore.Options{})
		return s.Search(), s
	})
}
