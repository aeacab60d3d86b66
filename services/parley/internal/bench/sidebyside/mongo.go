package sidebyside

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/mongotest"
)

// startMongo starts the MongoDB-wire server of the tests, or uses the one that the
// environment names, with a database of its own.
func startMongo(ctx context.Context) (uri string, stop func() error, err error) {
	server, err := mongotest.Open(ctx)
	if err != nil {
		return "", nil, err
	}
	u, err := url.Parse(server.URI)
	if err != nil {
		return "", nil, fmt.Errorf("read the MongoDB URI: %w", err)
	}
	u.Path = "/parley_bench_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	return u.String(), server.Close, nil
}
