package pebblestore

import (
	"testing"

	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/search/searchtest"
)

func TestSearchContract(t *testing.T) {
	searchtest.Run(t, func(t *testing.T) (search.Store, searchtest.Data) {
		s := mustOpen(t, Options{})
		return s.Search(), s
	})
}
