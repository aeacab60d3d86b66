package mongostore

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/pkg/chat"
)

// The keys. No part of one contains a slash, so they are unambiguous, and they
// sort bytewise as their parts do. "0" is the byte after the slash: a range from
// prefix+"/" to prefix+"0" is everything below a prefix.

func convID(k chat.Key) string { return string(k.NS) + "/" + string(k.Conv) }

func userID(ns chat.NS, u chat.User) string { return string(ns) + "/" + string(u) }

func memberID(k chat.Key, u chat.User) string { return convID(k) + "/" + string(u) }

func deviceID(ns chat.NS, u chat.User, d chat.Device) string {
	return userID(ns, u) + "/" + string(d)
}

// messageID sorts by seq: seqs are below 2^53, so they have at most 16 digits.
func messageID(k chat.Key, s chat.Seq) string { return fmt.Sprintf("%s/%016d", convID(k), s) }

func journalID(pod string, number uint64) string { return fmt.Sprintf("%s/%020d", pod, number) }

// reactionID names a user's reaction with one emoji to one message. The emoji is
// a client's text: it is hashed, so that the key has a bounded length.
func reactionID(message string, u chat.User, emoji string) string {
	sum := sha256.Sum256([]byte(string(u) + "\x00" + emoji))
	return message + "/" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

func parseConvID(id string) chat.Key {
	ns, conv, _ := strings.Cut(id, "/")
	return chat.Key{NS: chat.NS(ns), Conv: chat.ConvID(conv)}
}

// lastPart is what stands behind the last slash of a key.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func parseNumber(id string) (int64, error) {
	n, err := strconv.ParseInt(lastPart(id), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the key %q has no number", id)
	}
	return n, nil
}

// endOfPrefix behind a prefix is above all keys below it.
const endOfPrefix = "0"

// below is the filter value for all keys under a prefix.
func below(prefix string) bson.D {
	return bson.D{{Key: "$gt", Value: prefix + "/"}, {Key: "$lt", Value: prefix + endOfPrefix}}
}

// byID filters on one key.
func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// anyOf filters on some keys.
func anyOf(ids []string) bson.D {
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
}

func exists(field string, yes bool) bson.E {
	return bson.E{Key: field, Value: bson.D{{Key: "$exists", Value: yes}}}
}
