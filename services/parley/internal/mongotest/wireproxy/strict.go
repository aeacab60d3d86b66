package wireproxy

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// codeAPIStrict is APIStrictError.
const codeAPIStrict = 323

// stable1 is the commands of MongoDB's Stable API version 1, and the fields of
// each that it does not have.
var stable1 = map[string][]string{
	"abortTransaction": nil, "aggregate": {"exchange", "isMapReduceCommand"}, "bulkWrite": nil, "collMod": nil,
	"commitTransaction": nil, "count": nil,
	"create":        {"autoIndexId", "capped", "indexOptionDefaults", "max", "size", "storageEngine"},
	"createIndexes": nil, "delete": nil, "drop": nil, "dropDatabase": nil, "dropIndexes": nil,
	"endSessions": nil, "explain": nil,
	"find":          {"awaitData", "max", "min", "noCursorTimeout", "oplogReplay", "returnKey", "showRecordId", "tailable"},
	"findAndModify": nil, "getMore": nil, "hello": nil, "insert": nil, "killCursors": nil, "listCollections": nil,
	"listDatabases": nil, "listIndexes": nil, "ping": nil, "refreshSessions": nil, "saslContinue": nil, "saslStart": nil,
	"update": nil,
}

// indexOptions is what an index of Stable API version 1 may not have.
var indexOptions = []string{"background", "bucketSize", "sparse", "storageEngine"}

// breach says what in a command MongoDB would refuse because the client asked
// for the strict Stable API; "" if nothing. FerretDB takes the wish and ignores it.
func breach(command bson.Raw) string {
	if strict, ok := command.Lookup("apiStrict").BooleanOK(); !ok || !strict {
		return ""
	}
	cmd, _ := name(command)
	fields, ok := stable1[cmd]
	if !ok {
		return "the command " + cmd
	}
	for _, field := range fields {
		if _, err := command.LookupErr(field); err == nil {
			return "the field " + field + " of " + cmd
		}
	}
	if cmd != "createIndexes" {
		return ""
	}
	indexes, _ := command.Lookup("indexes").ArrayOK()
	values, err := indexes.Values()
	if err != nil {
		return "the indexes of createIndexes"
	}
	for _, v := range values {
		index, _ := v.DocumentOK()
		elements, err := index.Elements()
		if err != nil {
			return "the indexes of createIndexes"
		}
		for _, e := range elements {
			if slices.Contains(indexOptions, e.Key()) {
				return "the index option " + e.Key()
			}
		}
	}
	return ""
}
