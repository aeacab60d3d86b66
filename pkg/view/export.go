package view

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// ExportStore is what an export reads; a [store.Store] is one.
type ExportStore interface {
	Store
	Blocks(ctx context.Context, ns chat.NS, user, after chat.User, limit int) ([]chat.Block, error)
	Devices(ctx context.Context, ns chat.NS, user chat.User) ([]store.DeviceInfo, error)
}

// Bounds of one part of an export.
const (
	exportLook  = 5000    // entries that it looks at
	exportBytes = 1 << 20 // after which it ends
	exportConvs = 200     // conversations
)

// Export makes one part of an export of what a user has left here: the profile,
// blocks and devices, and then each conversation with the entries that the user
// wrote, as far as the user may read them. Other people's words are not the user's
// data, and left out. Files are named, with where they are asked for. Lines are JSON objects, each with its end of line. The part ends with
// a next line if others follow, else with an end line; cursor is that of the part
// before, or empty. The same cursor gives the same part again, or what it has become:
// what happens while the parts are read may be in them or not.
//
// A part has 1 MiB, and what the last entry in it goes beyond that.
func Export(ctx context.Context, s ExportStore, limits chat.Limits, ns chat.NS, user chat.User, cursor string) ([]byte, error) {
	e := &export{s: s, r: New(s, limits), ns: ns, user: user}
	conv, after, err := parseExportCursor(cursor)
	if err != nil {
		return nil, err
	}
	if cursor == "" {
		if err := e.self(ctx); err != nil {
			return nil, err
		}
	}
	if conv != "" && after >= 0 { // the part before ended inside this one
		more, err := e.conversation(ctx, conv, after, false)
		if err != nil || more {
			return e.out, err
		}
	}
	members, err := s.Memberships(ctx, ns, user, conv, exportConvs)
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	for _, m := range members {
		if e.full() {
			e.next(conv, -1)
			return e.out, nil
		}
		conv = m.Conv
		if more, err := e.conversation(ctx, conv, 0, true); err != nil || more {
			return e.out, err
		}
	}
	if len(members) == exportConvs {
		e.next(conv, -1)
		return e.out, nil
	}
	e.line(wire.ExportEnd{Type: "end"})
	return e.out, nil
}

// export is one part being made.
type export struct {
	s      ExportStore
	r      *Reader
	ns     chat.NS
	user   chat.User
	out    []byte
	looked int
}

func (e *export) line(v any) { e.out = append(append(e.out, wire.Encode(v)...), '\n') }

func (e *export) full() bool { return e.looked >= exportLook || len(e.out) >= exportBytes }

// next says where the following part begins: behind an entry of a conversation, or
// with after < 0 behind the conversation.
func (e *export) next(conv chat.ConvID, after chat.Seq) {
	place := strconv.FormatInt(int64(after), 10) + " " + string(conv)
	e.line(wire.ExportNext{Type: "next", Cursor: base64.RawURLEncoding.EncodeToString([]byte(place))})
}

func parseExportCursor(cursor string) (conv chat.ConvID, after chat.Seq, err error) {
	if cursor == "" {
		return "", -1, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", 0, errCursor()
	}
	number, id, _ := strings.Cut(string(raw), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if conv = chat.ConvID(id); err != nil || n < -1 || chat.Seq(n) > chat.MaxSeq || conv != "" && !conv.Valid() {
		return "", 0, errCursor()
	}
	return conv, chat.Seq(n), nil
}

// self is what does not belong to a conversation.
func (e *export) self(ctx context.Context) error {
	profiles, err := e.s.Profiles(ctx, e.ns, []chat.User{e.user})
	if err != nil {
		return fmt.Errorf("read profile: %w", err)
	}
	blocks, err := e.s.Blocks(ctx, e.ns, e.user, "", 2*chat.MaxBlocks)
	if err != nil {
		return fmt.Errorf("read blocks: %w", err)
	}
	devices, err := e.s.Devices(ctx, e.ns, e.user)
	if err != nil {
		return fmt.Errorf("read devices: %w", err)
	}
	e.line(wire.ExportProfile{Type: "profile", Profile: wire.Profile{User: e.user, HideRead: profiles[e.user].HideRead}})
	for _, b := range blocks {
		e.line(wire.ExportBlock{Type: "block", Block: wire.Block{User: b.Peer, Time: wire.Time{Time: b.Time}}})
	}
	for _, d := range devices {
		e.line(wire.ExportDevice{Type: "device", DeviceInfo: wire.DeviceInfo{Device: d.Device, Seen: wire.Time{Time: d.Seen}}})
	}
	return nil
}

// conversation is what the user wrote in one conversation after a seq; first says
// that no part before had any of it. more: the part is full, and its next line
// written.
func (e *export) conversation(ctx context.Context, conv chat.ConvID, after chat.Seq, first bool) (more bool, err error) {
	p, err := e.r.Access(ctx, chat.Key{NS: e.ns, Conv: conv}, e.user)
	if codeIs(err, chat.CodeNotFound) {
		return false, nil // it is not finished yet, and nothing of the user's is in it
	}
	if err != nil {
		return false, err
	}
	if first {
		e.membership(p)
	}
	for from := max(after, p.Start-1); from < p.End; {
		if e.full() {
			e.next(conv, from)
			return true, nil
		}
		upTo := min(from+entryChunk, p.End)
		entries, err := e.r.entries(ctx, p.Conversation.Key, from+1, upTo)
		if err != nil {
			return false, err
		}
		from = e.entries(entries)
	}
	return false, nil
}

// entries writes what the user wrote of entries that follow on one another, until the
// part is full, and returns the last one that was looked at.
func (e *export) entries(list []chat.Entry) (last chat.Seq) {
	for i := range list {
		last = list[i].Seq
		e.looked++
		if list[i].From != e.user {
			continue
		}
		e.line(wire.NewEntry(&list[i]))
		for _, a := range wire.Attachments(list[i].Body) {
			e.line(wire.ExportAttachment{Type: "attachment", Conv: list[i].Conv, Seq: last, ID: a.ID, Name: a.Name,
				ContentType: a.Type, Size: a.Size, W: a.W, H: a.H, MS: a.MS, URL: wire.AttachmentPath(chat.AttachmentID(a.ID))})
		}
		if len(e.out) >= exportBytes {
			break
		}
	}
	return last
}

func (e *export) membership(p Part) {
	c, m := p.Conversation, p.Member
	w := wire.ExportMembership{Type: "membership", Conv: c.Conv, Kind: c.Kind, Role: roleOf(m), Joined: m.Joined, Left: m.Left,
		Read: m.Read, Muted: m.Settings.Muted, Pinned: m.Settings.Pinned, Archived: m.Settings.Archived}
	if p.Direct() {
		w.Peer = peerOf(c.Users, m.User)
	}
	if c.TitleAsOf <= p.End {
		w.Title = c.Title
	}
	e.line(w)
}

func codeIs(err error, code chat.Code) bool {
	var e *chat.Error
	return errors.As(err, &e) && e.Code == code
}
