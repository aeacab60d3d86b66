package mongotest_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
)

// corpus is messages in conversations of one user, as people write them: mostly a
// dozen words, few of them often and most of them seldom, and one message in four in
// Chinese.
const (
	corpusConvs = 200
	corpusStep  = 1000 // messages that are indexed together, as the indexer does
)

var corpusStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func corpusConv(i int) chat.ConvID { return chat.ConvID(fmt.Sprintf("g_%026d", i)) }

// corpusDoc is message i. The word "all" is in every one, "rare" in one of 1,000, and
// "old" in the oldest hundredth.
func corpusDoc(b *testing.B, ns chat.NS, rng *rand.Rand, words *rand.Zipf, i, of int) search.Doc {
	b.Helper()
	text := []string{"all"}
	if i%4 == 0 {
		for range 8 {
			text = append(text, "今天天气很好"[:3*(1+rng.IntN(6))]+string(rune(0x4e00+words.Uint64()%3000)))
		}
		text = append(text, "今天天气")
	} else {
		for range 11 {
			text = append(text, fmt.Sprintf("word%d", words.Uint64()))
		}
	}
	if i%1000 == 500 {
		text = append(text, "rare")
	}
	if i < of/100 {
		text = append(text, "old")
	}
	body, err := json.Marshal(map[string]string{"text": strings.Join(text, " ")})
	if err != nil {
		b.Fatal(err)
	}
	key := chat.Key{NS: ns, Conv: corpusConv(i % corpusConvs)}
	seq := chat.Seq(i/corpusConvs + 1)
	return search.NewDoc(key, seq, seq, chat.User(fmt.Sprint("u", i%7)), corpusStart.Add(time.Duration(i)*time.Second), body)
}

// asked is what commands have cost so far.
type asked struct {
	mu                                                  sync.Mutex
	commands, keys, documents, sorted, written, got, in int
	unbounded                                           int // commands that may take as long as they like
}

func (a *asked) observe(c mongomem.Command) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commands++
	a.keys += c.Keys
	a.documents += c.Examined
	a.sorted += c.Sorted
	a.written += c.Written
	a.got += c.Sent
	a.in += c.Got
	if c.MaxTime == 0 {
		a.unbounded++
	}
}

func (a *asked) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commands, a.keys, a.documents, a.sorted, a.written, a.got, a.in, a.unbounded = 0, 0, 0, 0, 0, 0, 0, 0
}

func (a *asked) report(b *testing.B) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := float64(b.N)
	b.ReportMetric(float64(a.commands)/n, "commands/op")
	b.ReportMetric(float64(a.keys)/n, "keys/op")
	b.ReportMetric(float64(a.documents)/n, "docs/op")
	b.ReportMetric(float64(a.sorted)/n, "sorted/op")
	b.ReportMetric(float64(a.got)/n, "bytes/op")
	b.ReportMetric(float64(a.unbounded)/n, "unbounded/op")
}

type question struct {
	name  string
	text  string
	from  chat.User
	in    func([]search.Scope) []search.Scope
	since time.Duration // before the newest
	limit int
	best  bool
}

var questions = []question{
	{name: "a rare word", text: "rare"},
	{name: "a word of every message", text: "all"},
	{name: "a word of the oldest hundredth", text: "old"},
	{name: "no such word", text: "nothing"},
	{name: "a rare word and one of every message", text: "rare all"},
	{name: "a longer word of a tenth and a rare one", text: "word1 rare"},
	{name: "two frequent words that seldom meet", text: "word0 今天"},
	{name: "two words that never meet", text: "word0 天气好"},
	{name: "a Chinese pair", text: "今天"},
	{name: "a Chinese run of six", text: "今天天气很好"},
	{name: "a phrase of three frequent words", text: `"word0 word1 word2"`},
	{name: "a word of every message, one sender", text: "all", from: "u3"},
	{name: "a word of every message, one conversation", text: "all", in: func(all []search.Scope) []search.Scope { return all[:1] }},
	{name: "a word of every message, the last hour", text: "all", since: time.Hour},
	{name: "a word of every message, joined lately", text: "all", in: func(all []search.Scope) []search.Scope {
		late := make([]search.Scope, len(all))
		for i, in := range all {
			late[i] = search.Scope{Conv: in.Conv, Start: 1 << 40}
		}
		return late
	}},
	{name: "the best of a word of every message", text: "all", limit: search.MostHits, best: true},
}

// BenchmarkSearch says what the index costs a server, for each message that is indexed
// and for each question: commands, places of the index and documents that the server
// looks at, bytes. Those are mongomem's, which goes about a question as MongoDB does;
// its times are not MongoDB's.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			used := &asked{}
			server, err := mongotest.OpenObserved(used.observe)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := server.Close(); err != nil {
					b.Error(err)
				}
			}()
			benchmarkSearch(b, server, used, n)
		})
	}
}

// BenchmarkSearchFerretDB is the same on FerretDB, which reads a whole collection for
// every question: what counts is that it answers, and how many commands that takes.
func BenchmarkSearchFerretDB(b *testing.B) {
	b.Run("200", func(b *testing.B) { benchmarkSearch(b, mongotest.Start(b), nil, 200) })
}

func benchmarkSearch(b *testing.B, server *mongotest.Server, used *asked, n int) {
	st, err := mongostore.Open(b.Context(), mongostore.Options{URI: server.URI, Database: server.Database(b), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	}()
	g, err := st.Search().Generation(b.Context(), 1, "epoch", false)
	if err != nil {
		b.Fatal(err)
	}
	index := st.Search().Index(g)
	if used != nil {
		used.reset()
	}
	began := time.Now()
	feed(b, index, n)
	fed := time.Since(began)
	b.Run("indexing", func(b *testing.B) {
		b.ReportMetric(float64(fed.Nanoseconds())/float64(n), "ns/op") // of all messages, once
		if used == nil {
			return
		}
		size := server.Memory.Size(func(c string) bool { return strings.HasPrefix(c, "search_") && !strings.HasSuffix(c, "_marks") })
		b.ReportMetric(float64(used.commands)/float64(n), "commands/op")
		b.ReportMetric(float64(used.written)/float64(n), "written/op")
		b.ReportMetric(float64(used.in)/float64(n), "wire-B/op")
		b.ReportMetric(float64(size.Bytes)/float64(size.Documents), "document-B/op")
		b.ReportMetric(float64(size.Keys)/float64(size.Documents), "keys/op")
		b.ReportMetric(float64(size.KeyBytes)/float64(size.Documents), "key-B/op")
	})
	for _, q := range questions {
		b.Run(strings.ReplaceAll(q.name, " ", "_"), func(b *testing.B) { ask(b, index, used, q, n) })
	}
}

// feed indexes n messages, in the order in which they were sent.
func feed(b *testing.B, index search.Index, n int) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	words := rand.NewZipf(rng, 1.1, 2, 50_000)
	for i := 0; i < n; {
		batch := search.Batch{Marks: map[chat.Key]chat.Seq{}}
		for ; i < n && len(batch.Docs) < corpusStep; i++ {
			d := corpusDoc(b, "t", rng, words, i, n)
			batch.Docs = append(batch.Docs, d)
			batch.Marks[d.Key] = d.Seq
		}
		if err := index.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

func ask(b *testing.B, index search.Index, used *asked, q question, n int) {
	parsed, err := search.ParseQuery(q.text)
	if err != nil {
		b.Fatal(err)
	}
	f := search.Filter{NS: "t", Terms: parsed.Terms(), Limit: 20, Look: 50_000, Weights: q.best}
	for i := range corpusConvs {
		f.In = append(f.In, search.Scope{Conv: corpusConv(i)})
	}
	if q.in != nil {
		f.In = q.in(f.In)
	}
	if q.from != "" {
		f.Terms = append(f.Terms, search.FromTerm(q.from))
	}
	if q.since > 0 {
		f.Since = corpusStart.Add(time.Duration(n)*time.Second - q.since).UnixMilli()
	}
	if q.limit > 0 {
		f.Limit = q.limit
	}
	if used != nil {
		used.reset()
	}
	hits := 0
	b.ResetTimer()
	for range b.N {
		found, err := index.Find(b.Context(), f)
		if err != nil {
			b.Fatal(err)
		}
		hits = len(found.Hits)
	}
	b.StopTimer()
	b.ReportMetric(float64(hits), "hits/op")
	if used != nil {
		used.report(b)
	}
}
