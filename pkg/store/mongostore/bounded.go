package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// bounded is a question that may be expensive to the server.
type bounded struct {
	filter, sort, projection, hint bson.D
	skip, limit                    int
}

// findWithin reads what a bounded question selects. The command says how long the
// server may work on it: that is what is left of ctx or of the client's timeout.
// The driver says so for every command but a find of several documents, and a server
// would work on such a one after everybody has given up. For the same reason it does
// not read again by itself after a lost connection or a change of primary: that is
// done here, once.
func findWithin[T any](ctx context.Context, c *mongo.Collection, q bounded) ([]T, error) {
	docs, err := runFind[T](ctx, c, q)
	if err != nil && ctx.Err() == nil && transient(err) {
		docs, err = runFind[T](ctx, c, q)
	}
	return docs, err
}

func runFind[T any](ctx context.Context, c *mongo.Collection, q bounded) ([]T, error) {
	command := bson.D{
		{Key: "find", Value: c.Name()}, {Key: "filter", Value: q.filter}, {Key: "sort", Value: q.sort},
		{Key: "projection", Value: q.projection}, {Key: "hint", Value: q.hint},
		{Key: "skip", Value: int64(q.skip)}, {Key: "limit", Value: int64(q.limit)}, {Key: "batchSize", Value: int64(q.limit)},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	}
	cursor, err := c.Database().RunCommandCursor(ctx, command)
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by the method that reads
	}
	var docs []T
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	return docs, nil
}

// notPrimary are the codes of servers that are not, or no longer, the primary, or are
// going down: another one answers soon.
var notPrimary = []int{91, 189, 10107, 11600, 11602, 13435, 13436}

// transient reports whether an error of a read is that of a server or connection that
// went away.
func transient(err error) bool {
	if mongo.IsNetworkError(err) {
		return !mongo.IsTimeout(err)
	}
	var se mongo.ServerError
	if !errors.As(err, &se) {
		return false
	}
	for _, code := range notPrimary {
		if se.HasErrorCode(code) {
			return true
		}
	}
	return false
}
