package mongomem

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// inOrder are values as MongoDB sorts them; those of one row are equal to it.
var inOrder = [][]any{
	{bson.MinKey{}},
	{nil, bson.Undefined{}},
	{math.NaN()},
	{math.Inf(-1)},
	{-math.MaxFloat64},
	{int64(math.MinInt64), float64(math.MinInt64)},
	{int64(math.MinInt64 + 1)},
	{-1.5},
	{int32(-1), int64(-1), -1.0},
	{-0.5},
	{int32(0), int64(0), 0.0, math.Copysign(0, -1)},
	{math.SmallestNonzeroFloat64},
	{int32(1), int64(1), 1.0},
	{1.5},
	{int32(2), 2.0},
	{int64(1<<53 - 1), float64(1<<53 - 1)},
	{int64(1 << 53), float64(1 << 53)},
	{int64(1<<53 + 1)},
	{int64(1<<53 + 2), float64(1<<53 + 2)},
	{int64(math.MaxInt64 - 1)},
	{int64(math.MaxInt64)},
	{float64(1 << 63)},
	{math.Inf(1)},
	{"", bson.Symbol("")},
	{"\x00"},
	{"\x00\x00"},
	{"\x01"},
	{"a", bson.Symbol("a")},
	{"a\x00"},
	{"a\x00b"},
	{"a\x01"},
	{"ab"},
	{"b"},
	{"é"},
	{"一"},
	{bson.D{}},
	{bson.D{{Key: "a", Value: int32(1)}}, bson.D{{Key: "a", Value: 1.0}}},
	{bson.D{{Key: "a", Value: int32(1)}, {Key: "b", Value: nil}}},
	{bson.D{{Key: "a", Value: int32(2)}}},
	{bson.D{{Key: "b", Value: int32(1)}}},
	{bson.D{{Key: "a", Value: ""}}}, // the class of a field counts before its name
	{bson.D{{Key: "a", Value: bson.D{{Key: "x", Value: true}}}}},
	{bson.A{}},
	{bson.A{int32(1)}},
	{bson.A{int32(1), int32(2)}},
	{bson.A{int32(2)}},
	{bson.Binary{Data: []byte{}}},
	{bson.Binary{Data: []byte{0}}},
	{bson.Binary{Data: []byte{255}}},
	{bson.Binary{Subtype: 4, Data: []byte{0}}}, // length, subtype, bytes
	{bson.Binary{Data: []byte{0, 0}}},
	{bson.Binary{Data: make([]byte, 255)}},
	{bson.Binary{Data: make([]byte, 256)}},
	{bson.ObjectID{1}},
	{bson.ObjectID{2}},
	{false},
	{true},
	{bson.DateTime(-1)},
	{bson.DateTime(0), time.Unix(0, 0)},
	{bson.DateTime(1)},
	{bson.Timestamp{T: 1, I: 9}},
	{bson.Timestamp{T: 2, I: 0}},
	{bson.Regex{Pattern: "a"}},
	{bson.MaxKey{}},
}

func valueOf(t testing.TB, v any) bson.RawValue {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	return bson.Raw(doc).Lookup("v")
}

func TestOrder(t *testing.T) {
	for i, row := range inOrder {
		for _, a := range row {
			for j, other := range inOrder {
				for _, b := range other {
					x, y := valueOf(t, a), valueOf(t, b)
					want := max(-1, min(1, i-j))
					if got := compare(x, y); got != want {
						t.Errorf("compare(%s, %s) = %d, want %d", x, y, got, want)
					}
					if k, l := keyOf(x), keyOf(y); k != l && strings.HasPrefix(l, k) && l < k+above {
						t.Errorf("the key of %s, and something behind it, is that of %s", x, y)
					}
				}
			}
		}
	}
	if missing := (bson.RawValue{}); keyOf(missing) != keyOf(valueOf(t, nil)) {
		t.Error("what is missing does not sort as null")
	}
}

// Numbers of both kinds compare by value, however large.
func TestOrderOfNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		n := int64(rng.Uint64()) >> rng.IntN(64)
		for _, d := range []int64{-1, 0, 1, 512} {
			m := n + d
			if (m > n) != (d > 0) && d != 0 {
				continue // it went over the end
			}
			if got, want := compare(valueOf(t, n), valueOf(t, m)), max(-1, min(1, int(-d))); got != want {
				t.Fatalf("compare(%d, %d) = %d", n, m, got)
			}
		}
		if n < 1<<53 && n > -1<<53 {
			f := float64(n)
			for _, c := range []struct {
				f    float64
				want int
			}{{f, 0}, {math.Nextafter(f, math.Inf(1)), -1}, {math.Nextafter(f, math.Inf(-1)), 1}} {
				if got := compare(valueOf(t, n), valueOf(t, c.f)); got != c.want {
					t.Fatalf("compare(%d, %g) = %d, want %d", n, c.f, got, c.want)
				}
			}
		}
	}
}

// An index of two fields sorts by the first, then by the second, whatever they are.
func TestOrderOfSeveral(t *testing.T) {
	x := index{fields: []string{"a", "b"}}
	var keys []string
	for _, a := range inOrder {
		if _, isArray := a[0].(bson.A); isArray {
			continue // it has a key for each of its values
		}
		for _, b := range []any{nil, int32(7), "", "\x00", "z"} {
			doc, err := bson.Marshal(bson.D{{Key: "a", Value: a[0]}, {Key: "b", Value: b}})
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, x.keys(doc)...)
		}
	}
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
		t.Error("the keys are not in order")
	}
}

func FuzzOrderOfStrings(f *testing.F) {
	f.Add("a\x00", "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := valueOf(t, a), valueOf(t, b)
		if got, want := strings.Compare(keyOf(x), keyOf(y)), strings.Compare(a, b); got != want {
			t.Errorf("%q and %q: %d, want %d", a, b, got, want)
		}
		if got := keyOf(x)+keyOf(y) < keyOf(y)+keyOf(x); a != b && got != (a < b) {
			t.Errorf("%q before %q is %v where another value follows", a, b, got)
		}
	})
}
