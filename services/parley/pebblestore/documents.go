package pebblestore

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// The versions of the layouts of everything that is not an entry.
const (
	conversationLayout = 1
	keepLayout         = 2 // of a conversation of which is decided how long it is kept: layout 1, and that
	eventLayout        = 3 // of a conversation with an event, or a preview that is more than text: layout 2, and these
	memberLayout       = 1
	settingsLayout     = 2 // of a member who has set something: layout 1, and that
	reachedLayout      = 3 // of a member of whom times are known: layout 2, and these
	blockLayout        = 1
	profileLayout      = 1
	revocationLayout   = 1
	recallLayout       = 1
	journalLayout      = 1
	podLayout          = 1
	metaLayout         = 1
)

// keepDefault stands for the hours of a [chat.Keep] that is Default.
const keepDefault = -1

// conversation is the document of a conversation. Its head and preview are those
// that the log does not tell: see head.
type conversation struct {
	chat.Conversation
	// base is where the log ended when the document was made, as a rule 0. Entries
	// up to there found no document that they could be folded into.
	base chat.Seq
}

func appendConversation(dst []byte, c *conversation) []byte {
	layout := byte(conversationLayout)
	if c.Keep != (chat.Keep{}) {
		layout = keepLayout
	}
	text := chat.Preview{Seq: c.Preview.Seq, From: c.Preview.From, Time: c.Preview.Time, Text: c.Preview.Text}
	if c.Preview != text || c.Event != (chat.Event{}) {
		layout = eventLayout
	}
	dst = append(dst, layout)
	dst = appendInt(dst, c.base)
	dst = appendString(dst, c.Kind)
	dst = appendStrings(dst, c.Users)
	dst = appendString(dst, c.History)
	dst = appendTime(dst, c.Created)
	dst = appendInt(dst, c.Floor)
	dst = appendString(dst, c.Title)
	dst = appendInt(dst, c.TitleAsOf)
	dst = appendInt(dst, c.Closed)
	dst = appendInt(dst, c.Last.Seq)
	dst = appendInt(dst, c.Last.Count)
	dst = appendInt(dst, c.Last.MV)
	dst = appendInt(dst, c.Last.Members)
	dst = appendTime(dst, c.Last.Time)
	dst = appendInt(dst, c.Preview.Seq)
	dst = appendString(dst, c.Preview.From)
	dst = appendTime(dst, c.Preview.Time)
	dst = appendString(dst, c.Preview.Text)
	if layout >= keepLayout {
		dst = appendInt(dst, c.Keep.Version)
		hours := c.Keep.Hours
		if c.Keep.Default {
			hours = keepDefault
		}
		dst = appendInt(dst, hours)
	}
	if layout >= eventLayout {
		dst = appendEvent(dst, c)
	}
	return dst
}

func appendEvent(dst []byte, c *conversation) []byte {
	gone := 0
	if c.Preview.Gone {
		gone = 1
	}
	dst = appendInt(dst, gone)
	dst = appendInt(dst, c.Preview.Files)
	dst = appendString(dst, c.Preview.FileName)
	dst = appendString(dst, c.Preview.FileType)
	dst = appendInt(dst, c.Event.Seq)
	dst = appendString(dst, c.Event.From)
	dst = appendTime(dst, c.Event.Time)
	dst = appendString(dst, c.Event.Change)
	dst = appendString(dst, c.Event.User)
	dst = appendString(dst, c.Event.Role)
	return appendInt(dst, c.Event.Users)
}

func (d *decoder) event(c *conversation) {
	c.Preview.Gone = d.varint() != 0
	c.Preview.Files = int(d.varint())
	c.Preview.FileName = d.string()
	c.Preview.FileType = d.string()
	c.Event = chat.Event{Seq: chat.Seq(d.varint()), From: chat.User(d.string()), Time: d.time(), Change: chat.Change(d.string()),
		User: chat.User(d.string()), Role: chat.Role(d.string()), Users: int(d.varint())}
}

func decodeConversation(key chat.Key, v []byte) (conversation, error) {
	layout := byte(conversationLayout)
	if len(v) > 0 && v[0] > conversationLayout && v[0] <= eventLayout {
		layout = v[0]
	}
	d, err := decode(v, layout)
	if err != nil {
		return conversation{}, err
	}
	c := conversation{base: chat.Seq(d.varint())}
	c.Key = key
	c.Kind = chat.ConvKind(d.string())
	c.Users = decodeStrings[chat.User](d)
	c.History = chat.History(d.string())
	c.Created = d.time()
	c.Floor = chat.Seq(d.varint())
	c.Title = d.string()
	c.TitleAsOf = chat.Seq(d.varint())
	c.Closed = chat.Seq(d.varint())
	c.Last.Seq = chat.Seq(d.varint())
	c.Last.Count = d.varint()
	c.Last.MV = chat.Seq(d.varint())
	c.Last.Members = int(d.varint())
	c.Last.Time = d.time()
	c.Preview.Seq = chat.Seq(d.varint())
	c.Preview.From = chat.User(d.string())
	c.Preview.Time = d.time()
	c.Preview.Text = d.string()
	if layout >= keepLayout {
		c.Keep = chat.Keep{Version: d.varint(), Hours: int(d.varint())}
		if c.Keep.Hours == keepDefault {
			c.Keep.Hours, c.Keep.Default = 0, true
		}
	}
	if layout >= eventLayout {
		d.event(&c)
	}
	return c, d.done()
}

func appendMember(dst []byte, m *chat.Member) []byte {
	layout := byte(memberLayout)
	if m.Settings != (chat.Settings{}) {
		layout = settingsLayout
	}
	if m.ReadAt != (chat.Reached{}) || m.RecvAt != (chat.Reached{}) {
		layout = reachedLayout
	}
	dst = append(dst, layout)
	dst = appendString(dst, m.Role)
	dst = appendInt(dst, m.AsOf)
	dst = appendInt(dst, m.Joined)
	dst = appendInt(dst, m.JoinedCount)
	dst = appendInt(dst, m.Left)
	dst = appendInt(dst, m.Read)
	dst = appendInt(dst, m.ReadCount)
	dst = binary.AppendUvarint(dst, uint64(len(m.Recv)))
	for _, d := range slices.Sorted(maps.Keys(m.Recv)) {
		dst = appendString(dst, d)
		dst = appendInt(dst, m.Recv[d])
	}
	if layout >= settingsLayout {
		dst = appendSettings(dst, m.Settings)
	}
	if layout >= reachedLayout {
		for _, r := range []chat.Reached{m.ReadAt, m.RecvAt} {
			dst = appendInt(dst, r.Seq)
			dst = appendTime(dst, r.Time)
		}
	}
	return dst
}

func decodeMember(key chat.Key, user chat.User, v []byte) (chat.Member, error) {
	layout := byte(memberLayout)
	if len(v) > 0 && v[0] > memberLayout && v[0] <= reachedLayout {
		layout = v[0]
	}
	d, err := decode(v, layout)
	if err != nil {
		return chat.Member{}, err
	}
	m := chat.Member{Key: key, User: user}
	m.Role = chat.Role(d.string())
	m.AsOf = chat.Seq(d.varint())
	m.Joined = chat.Seq(d.varint())
	m.JoinedCount = d.varint()
	m.Left = chat.Seq(d.varint())
	m.Read = chat.Seq(d.varint())
	m.ReadCount = d.varint()
	if n := d.count(2); n > 0 {
		m.Recv = make(map[chat.Device]chat.Seq, n)
		for range n {
			device := chat.Device(d.string())
			m.Recv[device] = chat.Seq(d.varint())
		}
	}
	if layout >= settingsLayout {
		m.Settings = d.settings()
	}
	if layout >= reachedLayout {
		for _, r := range []*chat.Reached{&m.ReadAt, &m.RecvAt} {
			*r = chat.Reached{Seq: chat.Seq(d.varint()), Time: d.time()}
		}
	}
	return m, d.done()
}

func appendRecall(dst []byte, r *store.Recalled) []byte {
	dst = append(dst, recallLayout)
	dst = appendInt(dst, r.Seq)
	dst = appendString(dst, r.By)
	return appendTime(dst, r.Time)
}

func decodeRecall(v []byte) (*store.Recalled, error) {
	d, err := decode(v, recallLayout)
	if err != nil {
		return nil, err
	}
	r := &store.Recalled{Seq: chat.Seq(d.varint()), By: chat.User(d.string()), Time: d.time()}
	return r, d.done()
}

// appendJournal writes the lines of one conversation that follow on one another
// under its key, once.
func appendJournal(dst []byte, doc *store.JournalDoc) []byte {
	dst = append(dst, journalLayout)
	dst = appendString(dst, doc.Epoch)
	dst = appendTime(dst, doc.Time)
	dst = binary.AppendUvarint(dst, uint64(len(doc.Lines)))
	for i, j := 0, 0; i < len(doc.Lines); i = j {
		key := doc.Lines[i].Key
		for j = i + 1; j < len(doc.Lines) && doc.Lines[j].Key == key; j++ {
		}
		dst = appendString(dst, key.NS)
		dst = appendString(dst, key.Conv)
		dst = binary.AppendUvarint(dst, uint64(j-i))
		for _, l := range doc.Lines[i:j] {
			dst = appendInt(dst, l.Seq)
			dst = appendStrings(dst, l.Users)
		}
	}
	return dst
}

// journalSize is no less than appendJournal appends.
func journalSize(doc *store.JournalDoc) int {
	const number = binary.MaxVarintLen64
	size := 1 + 3*number + len(doc.Epoch)
	for i := range doc.Lines {
		l := &doc.Lines[i]
		size += 2 * number // the seq, how many users
		if i == 0 || l.Key != doc.Lines[i-1].Key {
			size += 3*number + len(l.Key.NS) + len(l.Key.Conv)
		}
		for _, u := range l.Users {
			size += 2 + len(u) // no user's id is longer than two bytes count
		}
	}
	return size
}

func decodeJournal(pod string, n uint64, v []byte) (store.JournalDoc, error) {
	d, err := decode(v, journalLayout)
	if err != nil {
		return store.JournalDoc{}, err
	}
	doc := store.JournalDoc{JournalID: store.JournalID{Pod: pod, Number: n, Epoch: d.string()}, Time: d.time()}
	for n := d.count(2); len(doc.Lines) < n && !d.bad; {
		key := chat.Key{NS: chat.NS(d.string()), Conv: chat.ConvID(d.string())}
		for range d.count(2) {
			l := store.JournalLine{Key: key, Seq: chat.Seq(d.varint()), Users: decodeStrings[chat.User](d)}
			doc.Lines = append(doc.Lines, l)
		}
	}
	return doc, d.done()
}

func appendPod(dst []byte, p *store.Pod) []byte {
	dst = append(dst, podLayout)
	dst = appendString(dst, p.Epoch)
	dst = binary.AppendUvarint(dst, p.First)
	dst = binary.AppendUvarint(dst, p.Settled)
	return appendTime(dst, p.Until)
}

func decodePod(id string, v []byte) (store.Pod, error) {
	d, err := decode(v, podLayout)
	if err != nil {
		return store.Pod{}, err
	}
	p := store.Pod{ID: id, Epoch: d.string(), First: d.uvarint(), Settled: d.uvarint(), Until: d.time()}
	return p, d.done()
}

func appendMeta(dst []byte, m store.MetaInfo) []byte {
	dst = append(dst, metaLayout)
	dst = appendString(dst, m.Cluster)
	return appendString(dst, m.Epoch)
}

func decodeMeta(v []byte) (store.MetaInfo, error) {
	d, err := decode(v, metaLayout)
	if err != nil {
		return store.MetaInfo{}, err
	}
	m := store.MetaInfo{Cluster: d.string(), Epoch: d.string()}
	return m, d.done()
}
