package mongostore

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/pkg/chat"
)

var testKey = chat.Key{NS: "_", Conv: "g_0123456789abcdef"}

// roundTrip takes a document through BSON.
func roundTrip[T any](t *testing.T, doc *T) *T {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := bson.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

// fill gives each field below v a value of its own, so that a field that a codec
// forgets is seen.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(1_700_000_000_000 + int64(*n)).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(value, n)
			v.SetMapIndex(key, value)
		}
	default:
		panic("no value for a " + v.Kind().String())
	}
}

func filled[T any]() T {
	var x T
	n := 0
	fill(reflect.ValueOf(&x).Elem(), &n)
	return x
}

func TestEntryRoundTrip(t *testing.T) {
	full := filled[chat.Entry]()
	full.Concerns, full.Audience = nil, nil // not in the log
	bare := chat.Entry{Key: testKey, Seq: chat.MaxSeq}
	for _, want := range []chat.Entry{full, bare} {
		got, err := roundTrip(t, messageOf(&want)).entry()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("entry %+v, %v\nwant %+v", got, err, want)
		}
	}
}

func TestConversationRoundTrip(t *testing.T) {
	full, gone := filled[chat.Conversation](), filled[chat.Conversation]()
	full.Preview.Gone, gone.Preview.Edit = false, chat.PreviewEdit{} // what is gone has no edit
	for _, want := range []chat.Conversation{full, gone, {Key: testKey}} {
		if got := roundTrip(t, conversationOf(&want)).conversation(); !reflect.DeepEqual(got, want) {
			t.Errorf("conversation %+v\nwant %+v", got, want)
		}
	}
}

func TestMemberRoundTrip(t *testing.T) {
	for _, want := range []chat.Member{filled[chat.Member](), {Key: testKey, User: "a.b@c"}} {
		if got := roundTrip(t, memberOf(&want)).member(); !reflect.DeepEqual(got, want) {
			t.Errorf("member %+v\nwant %+v", got, want)
		}
	}
}

// TestFoldedFirst: what moves by $max is compared field by field, so the seq must
// come first, and in a preview what says that it is blank second.
func TestFoldedFirst(t *testing.T) {
	for _, c := range []struct {
		doc  any
		want []string
	}{{lastDoc{}, []string{"s"}}, {titleDoc{}, []string{"s"}}, {previewDoc{}, []string{"s", "g"}}, {previewEditDoc{}, []string{"m", "s"}}} {
		raw, err := bson.Marshal(c.doc)
		if err != nil {
			t.Fatal(err)
		}
		elements, err := bson.Raw(raw).Elements()
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range c.want {
			if elements[i].Key() != key || elements[i].Value().Type != bson.TypeInt64 {
				t.Errorf("%T: field %d is %v", c.doc, i, elements[i])
			}
		}
	}
}

// TestKeysSort: keys sort as what they are made of, and nothing of a neighbour
// lies below a prefix.
func TestKeysSort(t *testing.T) {
	var ids []string
	for _, seq := range []chat.Seq{1, 9, 10, 99, 1 << 40, chat.MaxSeq} {
		ids = append(ids, messageID(testKey, seq))
	}
	if !slices.IsSorted(ids) {
		t.Errorf("not in order of seq: %q", ids)
	}
	longer := testKey
	longer.Conv += "0"
	for _, id := range []string{messageID(longer, 1), memberID(longer, "bob"), convID(testKey), convID(longer)} {
		if id > convID(testKey)+"/" && id < convID(testKey)+endOfPrefix {
			t.Errorf("%q is below %q", id, convID(testKey))
		}
	}
	for _, id := range ids {
		if n, err := parseNumber(id); err != nil || messageID(testKey, chat.Seq(n)) != id {
			t.Errorf("%q: %d, %v", id, n, err)
		}
	}
	if _, err := parseNumber("_/g_x/none"); err == nil {
		t.Error("a key without a number has one")
	}
	emoji := strings.Repeat("👍", 1000)
	if id := reactionID(ids[0], "bob", emoji); len(id) > len(ids[0])+30 || id == reactionID(ids[0], "bo", "b"+emoji) {
		t.Errorf("reaction %q", id)
	}
}
