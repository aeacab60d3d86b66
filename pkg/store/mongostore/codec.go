package mongostore

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// messageDoc is an entry in the collection messages, and what later entries made
// of it. Field names are short because there are many of these documents.
type messageDoc struct {
	ID      string    `bson:"_id"`
	Conv    string    `bson:"c"`
	From    string    `bson:"f"`
	CMID    string    `bson:"k"`
	Kind    string    `bson:"ki"`
	Time    time.Time `bson:"t"`
	Via     string    `bson:"via,omitempty"`
	Count   int64     `bson:"n"`
	MV      int64     `bson:"mv"`
	Members int64     `bson:"mb"`
	Hash    []byte    `bson:"h"`

	Body     string   `bson:"b,omitempty"`
	Gone     bool     `bson:"g,omitempty"`
	ReplyTo  int64    `bson:"re,omitempty"`
	Mentions []string `bson:"me,omitempty"`
	Silent   bool     `bson:"si,omitempty"`

	Target int64  `bson:"tg,omitempty"`
	Emoji  string `bson:"em,omitempty"`
	On     bool   `bson:"on,omitempty"`
	Change string `bson:"ch,omitempty"`
	Users  []role `bson:"us,omitempty"`
	Title  string `bson:"ti,omitempty"`

	// Folds: never written by Append, left out by Entries.
	Edited   *editedDoc   `bson:"ed,omitempty"`
	Recalled *recalledDoc `bson:"rc,omitempty"`
}

type role struct {
	User string `bson:"u"`
	Role string `bson:"r"`
}

type editedDoc struct {
	Seq  int64     `bson:"s"`
	Time time.Time `bson:"t"`
	Body string    `bson:"b,omitempty"`
}

type recalledDoc struct {
	Seq  int64     `bson:"s"`
	By   string    `bson:"by"`
	Time time.Time `bson:"t"`
}

func messageOf(e *chat.Entry) *messageDoc {
	return &messageDoc{
		ID: messageID(e.Key, e.Seq), Conv: convID(e.Key), From: string(e.From), CMID: string(e.CMID),
		Kind: string(e.Kind), Time: e.Time, Via: e.Via,
		Count: e.Count, MV: int64(e.MV), Members: int64(e.Members), Hash: e.Hash[:],
		Body: string(e.Body), Gone: e.Gone, ReplyTo: int64(e.ReplyTo), Mentions: stringsOf(e.Mentions), Silent: e.Silent,
		Target: int64(e.Target), Emoji: e.Emoji, On: e.On,
		Change: string(e.Change), Users: rolesOf(e.Users), Title: e.Title,
	}
}

func (d *messageDoc) entry() (chat.Entry, error) {
	seq, err := parseNumber(d.ID)
	if err != nil {
		return chat.Entry{}, err
	}
	e := chat.Entry{
		Key: parseConvID(d.Conv), Seq: chat.Seq(seq), Kind: chat.Kind(d.Kind),
		From: chat.User(d.From), CMID: chat.CMID(d.CMID), Time: d.Time.UTC(), Via: d.Via,
		Count: d.Count, MV: chat.Seq(d.MV), Members: int(d.Members),
		Gone: d.Gone, ReplyTo: chat.Seq(d.ReplyTo), Mentions: idsOf[chat.User](d.Mentions), Silent: d.Silent,
		Target: chat.Seq(d.Target), Emoji: d.Emoji, On: d.On,
		Change: chat.Change(d.Change), Title: d.Title,
	}
	copy(e.Hash[:], d.Hash)
	if d.Body != "" {
		e.Body = []byte(d.Body)
	}
	for _, u := range d.Users {
		e.Users = append(e.Users, chat.UserRole{User: chat.User(u.User), Role: chat.Role(u.Role)})
	}
	return e, nil
}

// editDoc says, in the collection edits, that an edit of a message was finished,
// so that a recall finds all edits of it. Its key is the edit's own.
type editDoc struct {
	ID      string `bson:"_id"`
	Message string `bson:"m"`
}

// reactionDoc is one user's reaction with one emoji to one message, in the
// collection reactions. Version is a [store.ReactionVersion] and only grows.
type reactionDoc struct {
	ID      string `bson:"_id"`
	Message string `bson:"m"`
	User    string `bson:"u"`
	Emoji   string `bson:"e"`
	Version int64  `bson:"v"`
}

func (d *reactionDoc) on() bool { return d.Version&1 == 1 }

// conversationDoc is a document of the collection conversations. Last, Preview, Edit
// and Title begin with a seq, and Keep with a version; they move by $max, which compares documents field by
// field: so the order of their fields is part of the format.
type conversationDoc struct {
	ID      string     `bson:"_id"`
	Kind    string     `bson:"kind"`
	Users   []string   `bson:"users,omitempty"`
	History string     `bson:"history,omitempty"`
	Created time.Time  `bson:"created"`
	Floor   int64      `bson:"floor"`
	Keep    *keepDoc   `bson:"keep,omitempty"`
	Title   titleDoc   `bson:"title"`
	Closed  int64      `bson:"closed"`
	Last    lastDoc    `bson:"last"`
	Preview previewDoc `bson:"preview"`
	Event   *eventDoc  `bson:"event,omitempty"`
	// Edit is the latest edit of the latest message that was edited: the preview's if
	// it is of the same message. Not there before the first edit.
	Edit *previewEditDoc `bson:"preview_ed,omitempty"`
}

// keepDoc is a [chat.Keep] that somebody has decided.
type keepDoc struct {
	Version int64 `bson:"v"`
	Hours   int32 `bson:"h"`
	Default bool  `bson:"d,omitempty"` // a document with it is larger than the same without
}

func keepOf(k chat.Keep) *keepDoc {
	if k == (chat.Keep{}) {
		return nil
	}
	return &keepDoc{Version: k.Version, Hours: int32(k.Hours), Default: k.Default}
}

func (d *keepDoc) keep() chat.Keep {
	if d == nil {
		return chat.Keep{}
	}
	return chat.Keep{Version: d.Version, Hours: int(d.Hours), Default: d.Default}
}

type titleDoc struct {
	Seq  int64  `bson:"s"`
	Text string `bson:"x"`
}

type lastDoc struct {
	Seq     int64     `bson:"s"`
	Count   int64     `bson:"n"`
	MV      int64     `bson:"mv"`
	Members int64     `bson:"mb"`
	Time    time.Time `bson:"t"`
}

// previewDoc has Gone second: a blanked preview is larger than the same one with
// its text, so no late fold brings the text of a recalled message back.
type previewDoc struct {
	Seq  int64     `bson:"s"`
	Gone int64     `bson:"g"`
	From string    `bson:"f"`
	Time time.Time `bson:"t"`
	Text string    `bson:"x"`

	Files    int64  `bson:"n,omitempty"`
	FileName string `bson:"fn,omitempty"`
	FileType string `bson:"ft,omitempty"`
}

// eventDoc is a [chat.Event]. Like the others it only grows.
type eventDoc struct {
	Seq    int64     `bson:"s"`
	From   string    `bson:"f"`
	Time   time.Time `bson:"t"`
	Change string    `bson:"c"`
	User   string    `bson:"u"`
	Role   string    `bson:"r"`
	Users  int64     `bson:"n"`
}

func eventOf(v chat.Event) *eventDoc {
	if v == (chat.Event{}) {
		return nil
	}
	return &eventDoc{Seq: int64(v.Seq), From: string(v.From), Time: v.Time, Change: string(v.Change),
		User: string(v.User), Role: string(v.Role), Users: int64(v.Users)}
}

// event is what the document says, unless there is a later message.
func (d *eventDoc) event(message int64) chat.Event {
	if d == nil || d.Seq < message {
		return chat.Event{}
	}
	return chat.Event{Seq: chat.Seq(d.Seq), From: chat.User(d.From), Time: d.Time.UTC(), Change: chat.Change(d.Change),
		User: chat.User(d.User), Role: chat.Role(d.Role), Users: int(d.Users)}
}

func (d *previewDoc) below(p previewDoc) bool {
	return d.Seq < p.Seq || d.Seq == p.Seq && d.Gone < p.Gone
}

// previewEditDoc moves by $max, too: an edit of an older message, and an older edit
// of the same, are smaller. It is a document apart from previewDoc, since an edit
// does not know who wrote its message when, and may be finished before it.
type previewEditDoc struct {
	Message int64  `bson:"m"`
	Seq     int64  `bson:"s"`
	Text    string `bson:"x"`

	Files    int64  `bson:"n,omitempty"`
	FileName string `bson:"fn,omitempty"`
	FileType string `bson:"ft,omitempty"`
}

// goneEdit is larger than every edit of a message, and so removes its text for good.
func goneEdit(message int64) previewEditDoc {
	return previewEditDoc{Message: message, Seq: math.MaxInt64}
}

func previewEditOf(message chat.Seq, e chat.PreviewEdit) previewEditDoc {
	return previewEditDoc{Message: int64(message), Seq: int64(e.Seq), Text: e.Text,
		Files: int64(e.Files), FileName: e.FileName, FileType: e.FileType}
}

func (d *previewEditDoc) below(e previewEditDoc) bool {
	return d.Message < e.Message || d.Message == e.Message && d.Seq < e.Seq
}

func lastOf(l chat.Last) lastDoc {
	return lastDoc{Seq: int64(l.Seq), Count: l.Count, MV: int64(l.MV), Members: int64(l.Members), Time: l.Time}
}

func previewOf(p chat.Preview) previewDoc {
	d := previewDoc{Seq: int64(p.Seq), From: string(p.From), Time: p.Time, Text: p.Text,
		Files: int64(p.Files), FileName: p.FileName, FileType: p.FileType}
	if p.Gone {
		d.Gone = 1
	}
	return d
}

func (d *previewDoc) preview() chat.Preview {
	return chat.Preview{Seq: chat.Seq(d.Seq), From: chat.User(d.From), Time: d.Time.UTC(), Gone: d.Gone != 0, Text: d.Text,
		Files: int(d.Files), FileName: d.FileName, FileType: d.FileType}
}

func conversationOf(c *chat.Conversation) *conversationDoc {
	d := &conversationDoc{
		ID: convID(c.Key), Kind: string(c.Kind), Users: stringsOf(c.Users), History: string(c.History),
		Created: c.Created, Floor: int64(c.Floor), Keep: keepOf(c.Keep),
		Title: titleDoc{Seq: int64(c.TitleAsOf), Text: c.Title}, Closed: int64(c.Closed),
		Last: lastOf(c.Last), Preview: previewOf(c.Preview), Event: eventOf(c.Event),
	}
	if e := c.Preview.Edit; e != (chat.PreviewEdit{}) {
		edit := previewEditOf(c.Preview.Seq, e)
		d.Edit = &edit
	}
	return d
}

func (d *conversationDoc) conversation() chat.Conversation {
	c := chat.Conversation{
		Key: parseConvID(d.ID), Kind: chat.ConvKind(d.Kind), Users: idsOf[chat.User](d.Users), History: chat.History(d.History),
		Created: d.Created.UTC(), Floor: chat.Seq(d.Floor), Keep: d.Keep.keep(),
		Title: d.Title.Text, TitleAsOf: chat.Seq(d.Title.Seq), Closed: chat.Seq(d.Closed),
		Last: chat.Last{
			Seq: chat.Seq(d.Last.Seq), Count: d.Last.Count, MV: chat.Seq(d.Last.MV),
			Members: int(d.Last.Members), Time: d.Last.Time.UTC(),
		},
		Preview: d.Preview.preview(), Event: d.Event.event(d.Preview.Seq),
	}
	if e := d.Edit; e != nil && e.Message == d.Preview.Seq && d.Preview.Gone == 0 {
		c.Preview.Edit = chat.PreviewEdit{Seq: chat.Seq(e.Seq), Text: e.Text,
			Files: int(e.Files), FileName: e.FileName, FileType: e.FileType}
	}
	return c
}

// memberDoc is a document of the collection members. Its key sorts a
// conversation's members by user; the index (nu, c) sorts a user's conversations.
type memberDoc struct {
	ID          string           `bson:"_id"`
	Owner       string           `bson:"nu"`
	Conv        string           `bson:"c"` // the id alone
	Role        string           `bson:"role"`
	AsOf        int64            `bson:"as_of"`
	Joined      int64            `bson:"joined"`
	JoinedCount int64            `bson:"joined_n"`
	Left        int64            `bson:"left"`
	Read        int64            `bson:"read"`
	ReadCount   int64            `bson:"read_n"`
	Recv        map[string]int64 `bson:"recv,omitempty"`
	ReadAt      *reachedDoc      `bson:"read_at,omitempty"`
	RecvAt      *reachedDoc      `bson:"recv_at,omitempty"`
	Settings    *settingsDoc     `bson:"set,omitempty"`
}

// reachedDoc is a position and when it was reached: of two the larger stays, which is
// the one further on, and of the same entry the earlier.
type reachedDoc struct {
	Seq    int64 `bson:"s"`
	Before int64 `bson:"b"` // −Unix ms
}

func reachedOf(r chat.Reached) *reachedDoc {
	if r == (chat.Reached{}) {
		return nil
	}
	return &reachedDoc{Seq: int64(r.Seq), Before: -r.Time.UnixMilli()}
}

func (d *reachedDoc) reached() chat.Reached {
	if d == nil {
		return chat.Reached{}
	}
	return chat.Reached{Seq: chat.Seq(d.Seq), Time: time.UnixMilli(-d.Before).UTC()}
}

// memberOf makes BSON keys of the devices in m: they must have been checked.
func memberOf(m *chat.Member) *memberDoc {
	d := &memberDoc{
		ID: memberID(m.Key, m.User), Owner: userID(m.NS, m.User), Conv: string(m.Conv), Role: string(m.Role),
		AsOf: int64(m.AsOf), Joined: int64(m.Joined), JoinedCount: m.JoinedCount, Left: int64(m.Left),
		Read: int64(m.Read), ReadCount: m.ReadCount, Settings: settingsOf(m.Settings),
		ReadAt: reachedOf(m.ReadAt), RecvAt: reachedOf(m.RecvAt),
	}
	for device, seq := range m.Recv {
		if d.Recv == nil {
			d.Recv = make(map[string]int64, len(m.Recv))
		}
		d.Recv[string(device)] = int64(seq)
	}
	return d
}

func (d *memberDoc) member() chat.Member {
	ns, _, _ := strings.Cut(d.Owner, "/")
	m := chat.Member{
		Key: chat.Key{NS: chat.NS(ns), Conv: chat.ConvID(d.Conv)}, User: chat.User(lastPart(d.ID)), Role: chat.Role(d.Role),
		AsOf: chat.Seq(d.AsOf), Joined: chat.Seq(d.Joined), JoinedCount: d.JoinedCount, Left: chat.Seq(d.Left),
		Read: chat.Seq(d.Read), ReadCount: d.ReadCount, Settings: d.Settings.settings(),
		ReadAt: d.ReadAt.reached(), RecvAt: d.RecvAt.reached(),
	}
	if len(d.Recv) > 0 {
		m.Recv = make(map[chat.Device]chat.Seq, len(d.Recv))
		for device, seq := range d.Recv {
			m.Recv[chat.Device(device)] = chat.Seq(seq)
		}
	}
	return m
}

// deviceDoc is a document of the collection devices.
type deviceDoc struct {
	ID   string    `bson:"_id"`
	Seen time.Time `bson:"seen"`
}

// journalDoc is a document of the collection journal.
type journalDoc struct {
	ID    string    `bson:"_id"`
	Epoch string    `bson:"epoch"`
	Time  time.Time `bson:"t"`
	Lines []lineDoc `bson:"lines"`
}

type lineDoc struct {
	Conv  string   `bson:"c"`
	Seq   int64    `bson:"s"`
	Users []string `bson:"us,omitempty"`
}

func lineOf(l store.JournalLine) lineDoc {
	return lineDoc{Conv: convID(l.Key), Seq: int64(l.Seq), Users: stringsOf(l.Users)}
}

func (d *journalDoc) document() (store.JournalDoc, error) {
	number, err := strconv.ParseUint(lastPart(d.ID), 10, 64)
	if err != nil {
		return store.JournalDoc{}, fmt.Errorf("the journal key %q has no number", d.ID)
	}
	doc := store.JournalDoc{
		JournalID: store.JournalID{Pod: strings.TrimSuffix(d.ID, "/"+lastPart(d.ID)), Number: number, Epoch: d.Epoch},
		Time:      d.Time.UTC(),
		Lines:     make([]store.JournalLine, len(d.Lines)),
	}
	for i, l := range d.Lines {
		doc.Lines[i] = store.JournalLine{Key: parseConvID(l.Conv), Seq: chat.Seq(l.Seq), Users: idsOf[chat.User](l.Users)}
	}
	return doc, nil
}

// podDoc is a document of the collection pods.
type podDoc struct {
	ID      string    `bson:"_id"`
	Epoch   string    `bson:"epoch"`
	First   int64     `bson:"first"`
	Settled int64     `bson:"settled"`
	Until   time.Time `bson:"until"`
}

// metaDoc is the one document of the collection meta.
type metaDoc struct {
	ID      string `bson:"_id"`
	Cluster string `bson:"cluster"`
	Epoch   string `bson:"epoch"`
}

func rolesOf(users []chat.UserRole) []role {
	var roles []role
	for _, u := range users {
		roles = append(roles, role{User: string(u.User), Role: string(u.Role)})
	}
	return roles
}

// stringsOf turns ids into what BSON knows; nil stays nil.
func stringsOf[T ~string](ids []T) []string {
	var list []string
	for _, id := range ids {
		list = append(list, string(id))
	}
	return list
}

// idsOf is the inverse of stringsOf.
func idsOf[T ~string](list []string) []T {
	var ids []T
	for _, s := range list {
		ids = append(ids, T(s))
	}
	return ids
}
