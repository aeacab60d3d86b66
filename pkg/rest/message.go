package rest

import (
	"net/http"
	"strconv"

	"github.com/parley-chat/parley/pkg/chat"
)

// PathSeq is the seq of an entry in the path. What is no seq names nothing, so it is
// not_found.
func PathSeq(r *http.Request, name string) (chat.Seq, error) {
	v := pathValue(r, name)
	seq, err := strconv.ParseInt(v, 10, 64)
	if err != nil || seq < 1 || seq > int64(chat.MaxSeq) || strconv.FormatInt(seq, 10) != v {
		return 0, chat.Errorf(chat.CodeNotFound, "the path has no seq where it should")
	}
	return chat.Seq(seq), nil
}

// PathText is a part of the path, decoded; "" where it is not well-formed.
func PathText(r *http.Request, name string) string { return pathValue(r, name) }
