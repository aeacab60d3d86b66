package spec

import (
	"net/http"
	"reflect"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Service is who answers a request; several may.
type Service uint8

// The services.
const (
	Gateway Service = 1 << iota
	History
	AllInOne // what only parley up answers
)

// Operation is one request of the HTTP API.
type Operation struct {
	Method  string
	Path    string // as the router has it
	By      Service
	ID      string // what generated clients call it
	Summary string
	Query   []Parameter
	Body    any      // the struct of its JSON body; nil: none
	OneOf   string   // fields of Body of which exactly one is given. Default: no such rule
	Answers []Answer // with success; errors are problems, everywhere
	Open    bool     // no token is asked for
}

// Parameter is a parameter of a query.
type Parameter struct {
	Name     string
	Value    any // of its type
	Required bool
	Doc      string
}

// Answer is one answer of an operation.
type Answer struct {
	Status int
	Value  any // the struct of its body, or its [ContentType]; nil: none
	Doc    string
}

// ContentType is that of a body that no struct describes.
type ContentType string

// body is the struct of an answer's body, nil where none describes it, and its
// content type, "" where there is no body.
func (a *Answer) body() (value any, typ string) {
	switch v := a.Value.(type) {
	case nil:
		return nil, ""
	case ContentType:
		return nil, string(v)
	default:
		return v, "application/json"
	}
}

// pathParameters are the types of what stands in paths.
var pathParameters = map[string]reflect.Type{
	"conv":   reflect.TypeFor[chat.ConvID](),
	"user":   reflect.TypeFor[chat.User](),
	"device": reflect.TypeFor[chat.Device](),
	"emoji":  reflect.TypeFor[string](),
	"id":     reflect.TypeFor[string](),
	"seq":    reflect.TypeFor[chat.Seq](),
}

var (
	limit  = Parameter{"limit", 0, false, "items at most, from 1 to limits.page of welcome; default 50"}
	hits   = Parameter{"limit", 0, false, "items at most, from 1 to 100; default 20"}
	cursor = Parameter{"cursor", "", false, "next of the part before"}
	cmid   = Parameter{"cmid", chat.CMID(""), false, "or the same in the header Idempotency-Key"}
	page   = []Parameter{
		{"before", chat.Seq(0), false, "the entries before this one; at most one of before, after and around. Default: the latest"},
		{"after", chat.Seq(0), false, "the entries after this one"},
		{"around", chat.Seq(0), false, "this entry and its neighbours"},
		limit,
	}
)

// redirect is of what is elsewhere.
var redirect = []Parameter{{"redirect", "", false, "0: no redirect, for scripts in a browser, which could not follow it"}}

// Operations is the one list of what is answered over HTTP. A route that a service
// has and that is not here fails a test, and the other way round. After a change:
// make contracts.
var Operations = []Operation{
	{Method: http.MethodGet, Path: "/v1/ws", By: Gateway, ID: "connect", Open: true,
		Summary: "Open the socket: subprotocol parley.v1, frames as in /asyncapi.json.",
		Answers: []Answer{{101, nil, "The socket is open."}}},
	{Method: http.MethodGet, Path: "/v1/conversations", By: History, ID: "listConversations",
		Summary: "One's own conversations, newest first.", Query: []Parameter{cursor, limit},
		Answers: []Answer{{200, wire.List[wire.Conversation]{}, "A part of the list."}}},
	{Method: http.MethodPost, Path: "/v1/conversations", By: Gateway, ID: "createGroup",
		Summary: "Make a group.", Body: wire.NewGroup{},
		Answers: []Answer{{201, wire.Conversation{}, "The group was made."}, {200, wire.Conversation{}, "It had been made before."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}", By: History, ID: "getConversation",
		Summary: "One conversation.", Answers: []Answer{{200, wire.Conversation{}, "The conversation as one sees it."}}},
	{Method: http.MethodPatch, Path: "/v1/conversations/{conv}", By: Gateway, ID: "renameGroup",
		Summary: "Rename a group.", Body: wire.Rename{}, Answers: []Answer{{200, wire.Conversation{}, "The group."}}},
	{Method: http.MethodDelete, Path: "/v1/conversations/{conv}", By: Gateway, ID: "leaveGroup",
		Summary: "Leave a group, or close it as its owner.", Query: []Parameter{cmid}, Answers: []Answer{{204, nil, "Done."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}/members", By: History, ID: "listMembers",
		Summary: "The members of a conversation.", Query: []Parameter{cursor, limit},
		Answers: []Answer{{200, wire.List[wire.Member]{}, "A part of the list."}}},
	{Method: http.MethodPut, Path: "/v1/conversations/{conv}/members/{user}", By: Gateway, ID: "setMember",
		Summary: "Add a member to a group, or change a role.", Body: wire.SetMember{},
		Answers: []Answer{{200, wire.Member{}, "The member."}}},
	{Method: http.MethodDelete, Path: "/v1/conversations/{conv}/members/{user}", By: Gateway, ID: "removeMember",
		Summary: "Remove a member from a group.", Query: []Parameter{cmid}, Answers: []Answer{{204, nil, "Done."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}/messages", By: History, ID: "listMessages",
		Summary: "Messages, and what became of them.", Query: page, Answers: []Answer{{200, wire.Page[wire.Message]{}, "A page."}}},
	{Method: http.MethodPatch, Path: "/v1/conversations/{conv}/messages/{seq}", By: Gateway, ID: "editMessage",
		Summary: "Give one's own message another body.", Body: wire.EditMessage{},
		Answers: []Answer{{200, wire.Ack{}, "The entry of the edit is stored."}}},
	{Method: http.MethodDelete, Path: "/v1/conversations/{conv}/messages/{seq}", By: Gateway, ID: "recallMessage",
		Summary: "Take a message back: one's own, or as an owner or admin of a group any.", Query: []Parameter{cmid},
		Answers: []Answer{{200, wire.Ack{}, "The entry of the recall is stored."}}},
	{Method: http.MethodPut, Path: "/v1/conversations/{conv}/messages/{seq}/reactions/{emoji}", By: Gateway, ID: "react",
		Summary: "Switch one's own reaction to a message on.", Query: []Parameter{cmid},
		Answers: []Answer{{200, wire.Ack{}, "The entry of the reaction is stored."}}},
	{Method: http.MethodDelete, Path: "/v1/conversations/{conv}/messages/{seq}/reactions/{emoji}", By: Gateway, ID: "unreact",
		Summary: "Switch one's own reaction to a message off.", Query: []Parameter{cmid},
		Answers: []Answer{{200, wire.Ack{}, "The entry is stored."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}/entries", By: History, ID: "listEntries",
		Summary: "The raw log.", Query: page, Answers: []Answer{{200, wire.Page[wire.Entry]{}, "A page."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}/unread", By: History, ID: "explainUnread",
		Summary: "The unread count, and the numbers that it follows from.", Answers: []Answer{{200, wire.Unread{}, "The sum."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}/retention", By: History, ID: "getRetention",
		Summary: "For how long content is kept, and from where on it is there.",
		Answers: []Answer{{200, wire.Retention{}, "keep is left out where it is for ever; default says that nobody has decided for this conversation."}}},
	{Method: http.MethodPut, Path: "/v1/conversations/{conv}/retention", By: Gateway, ID: "setRetention",
		Summary: "Take the content of everything older away, for good, now or whenever it is older than it is kept: for the owner of a group, and with the scope operator.",
		Body:    wire.SetRetention{}, OneOf: "floor before keep",
		Answers: []Answer{{200, wire.Retention{}, "The floor is raised; where next is given, repeat with it. Or the conversation has the policy."}}},
	{Method: http.MethodPatch, Path: "/v1/conversations/{conv}/me", By: Gateway, ID: "setMe",
		Summary: "Mute, pin or archive a conversation for oneself.", Body: wire.SetMe{},
		Answers: []Answer{{200, wire.Conversation{}, "The conversation."}}},
	{Method: http.MethodGet, Path: "/v1/conversations/{conv}/messages/{seq}/seen", By: History, ID: "listSeen",
		Summary: "Whom a message has reached, and who has read it.", Query: []Parameter{cursor, limit},
		Answers: []Answer{{200, wire.List[wire.Seen]{}, "A part of the list of the other members."}}},
	{Method: http.MethodGet, Path: "/v1/me", By: History, ID: "getProfile",
		Summary: "What one has set for all conversations.", Answers: []Answer{{200, wire.Profile{}, "The profile."}}},
	{Method: http.MethodPatch, Path: "/v1/me", By: Gateway, ID: "setProfile",
		Summary: "Change what one has set for all conversations.", Body: wire.SetProfile{},
		Answers: []Answer{{200, wire.Profile{}, "The profile."}}},
	{Method: http.MethodGet, Path: "/v1/blocks", By: History, ID: "listBlocks",
		Summary: "Whom one has blocked.", Query: []Parameter{cursor, limit},
		Answers: []Answer{{200, wire.List[wire.Block]{}, "A part of the list."}}},
	{Method: http.MethodPut, Path: "/v1/blocks/{user}", By: Gateway, ID: "block",
		Summary: "Take no more messages from a user in the direct conversation.",
		Answers: []Answer{{200, wire.Block{}, "The user is blocked."}}},
	{Method: http.MethodDelete, Path: "/v1/blocks/{user}", By: Gateway, ID: "unblock",
		Summary: "Take messages from a user again.", Answers: []Answer{{204, nil, "Done."}}},
	{Method: http.MethodPost, Path: "/v1/revocations", By: Gateway, ID: "revoke",
		Summary: "Make tokens worthless before they expire: one, or those of a user that were issued before a time. Needs the scope revoke:any.",
		Body:    wire.Revoke{}, OneOf: "token user",
		Answers: []Answer{{200, wire.Revocation{}, "It is in force: sessions with such tokens end within 5 s."}}},
	{Method: http.MethodGet, Path: "/v1/bans", By: History, ID: "listBans",
		Summary: "Who is banned. Needs the scope revoke:any.", Query: []Parameter{cursor, limit},
		Answers: []Answer{{200, wire.List[wire.Ban]{}, "A part of the list."}}},
	{Method: http.MethodPut, Path: "/v1/bans/{user}", By: Gateway, ID: "ban",
		Summary: "Ban a user: all sessions end, and no token is taken. Needs the scope revoke:any.", Body: wire.SetBan{},
		Answers: []Answer{{200, wire.Ban{}, "The user is banned."}}},
	{Method: http.MethodDelete, Path: "/v1/bans/{user}", By: Gateway, ID: "liftBan",
		Summary: "Lift a ban. Needs the scope revoke:any.", Answers: []Answer{{204, nil, "Done."}}},
	{Method: http.MethodGet, Path: "/v1/devices", By: History, ID: "listDevices",
		Summary: "One's own devices, the latest first.", Answers: []Answer{{200, wire.List[wire.DeviceInfo]{}, "All of them."}}},
	{Method: http.MethodGet, Path: "/v1/devices/{device}", By: History, ID: "getDevice",
		Summary: "One of one's own devices.", Answers: []Answer{{200, wire.DeviceInfo{}, "The device."}}},
	{Method: http.MethodDelete, Path: "/v1/devices/{device}", By: Gateway, ID: "removeDevice",
		Summary: "Forget a device and end its sessions.", Answers: []Answer{{204, nil, "Done."}}},
	{Method: http.MethodPost, Path: "/v1/messages", By: Gateway, ID: "postMessage",
		Summary: "Send a message, also for others with the scope send:any.", Body: wire.PostMessage{}, OneOf: "conv to",
		Answers: []Answer{{200, wire.Ack{}, "It is stored."}}},
	{Method: http.MethodPost, Path: "/v1/messages/batch", By: Gateway, ID: "postMessages",
		Summary: "Send up to 500 messages; each has a result of its own.", Body: wire.PostMessages{},
		Answers: []Answer{{200, wire.BatchResult{}, "The results, in the order of the messages."}}},
	{Method: http.MethodPost, Path: "/v1/broadcasts", By: Gateway, ID: "createBroadcast",
		Summary: "Send a message to many users, to each in the direct conversation, with the scope send:any.", Body: wire.NewBroadcast{}, OneOf: "users conv",
		Answers: []Answer{{202, wire.Broadcast{}, "It will be sent, or had been asked for before."}}},
	{Method: http.MethodGet, Path: "/v1/broadcasts/{id}", By: History, ID: "getBroadcast",
		Summary: "How far a broadcast is: for who made it, and with the scope operator.", Answers: []Answer{{200, wire.Broadcast{}, "The broadcast."}}},
	{Method: http.MethodDelete, Path: "/v1/broadcasts/{id}", By: Gateway, ID: "cancelBroadcast",
		Summary: "End a broadcast; what is sent stays.", Answers: []Answer{{200, wire.Broadcast{}, "The broadcast, which ends soon or had ended."}}},
	{Method: http.MethodPost, Path: "/v1/users/{user}/erase", By: Gateway, ID: "eraseUser",
		Summary: "Take away what a user has written and set, for good, with the scope erase:any.", Body: wire.NewErasure{},
		Answers: []Answer{{202, wire.Erasure{}, "It will be done, or had been asked for before."}}},
	{Method: http.MethodGet, Path: "/v1/erasures/{id}", By: History, ID: "getErasure",
		Summary: "How far the erasure of a user is: for who asked for it, and with the scope erase:any or operator.", Answers: []Answer{{200, wire.Erasure{}, "The erasure."}}},
	{Method: http.MethodGet, Path: "/v1/jobs", By: History, ID: "listJobs",
		Summary: "Work in the background, of all kinds. Needs the scope operator.",
		Query: []Parameter{
			{"state", "", false, "waiting, running, done (with what was cancelled) or failed; default: all"},
			{"kind", "", false, "broadcast, erasure, keep or sweep; default: all"},
			{"order", "", false, "newest, the default: the latest due first; or due: the earliest"},
			cursor, limit},
		Answers: []Answer{{200, wire.List[wire.Job]{}, "A part of the list."}}},
	{Method: http.MethodGet, Path: "/v1/jobs/{id}", By: History, ID: "getJob",
		Summary: "One piece of work. Needs the scope operator.", Answers: []Answer{{200, wire.Job{}, "The job."}}},
	{Method: http.MethodPost, Path: "/v1/jobs/{id}/retry", By: Gateway, ID: "retryJob",
		Summary: "Give a job back that has failed, or end the pause of one that waits. Needs the scope operator.", Body: wire.RetryJob{},
		Answers: []Answer{{200, wire.Job{}, "The job as it is then: unchanged, if it runs or is done, or is at another attempt."}}},
	{Method: http.MethodDelete, Path: "/v1/jobs/{id}", By: Gateway, ID: "cancelJob",
		Summary: "End a broadcast, or dismiss what has failed, of any kind. Needs the scope operator.",
		Answers: []Answer{{200, wire.Job{}, "The job, which ends soon or had ended."}}},
	{Method: http.MethodGet, Path: "/v1/messages/{id}/trace", By: History, ID: "traceMessage",
		Summary: "Where is my message: for its sender, and with the scope operator.",
		Answers: []Answer{{200, wire.Trace{}, "How far it has come."}}},
	{Method: http.MethodGet, Path: "/v1/export", By: History, ID: "export",
		Summary: "What a user has left here, as JSON lines, in parts: one's own, or with the scope operator anybody's.",
		Query:   []Parameter{cursor, {"user", chat.User(""), false, "whose; default: one's own"}},
		Answers: []Answer{{200, ContentType("application/x-ndjson"), "Lines of JSON; the last one has the type next where a part follows, else end."}}},
	{Method: http.MethodGet, Path: "/v1/search", By: History, ID: "search",
		Summary: "Full text in one's own conversations, where welcome.features names search.",
		Query: []Parameter{
			{"q", "", true, "words, and \"phrases in quotes\": all of them must be in a message"},
			{"conv", chat.ConvID(""), false, "in this conversation only"},
			{"from", chat.User(""), false, "of this sender only"},
			{"after", "", false, "sent at this time or later: RFC 3339, or a day"},
			{"before", "", false, "sent before this time"},
			{"sort", "", false, "newest, the default, or best"},
			cursor, hits},
		Answers: []Answer{{200, wire.SearchList{}, "What was found."}}},
	{Method: http.MethodPost, Path: "/v1/attachments", By: Gateway, ID: "announceAttachment",
		Summary: "Announce a file for a conversation, and get the request that uploads it.", Body: wire.NewAttachment{}, OneOf: "conv to",
		Answers: []Answer{{201, wire.File{}, "Upload it."}, {200, wire.File{}, "It is complete already."}}},
	{Method: http.MethodPost, Path: "/v1/attachments/{id}", By: Gateway, ID: "completeAttachment",
		Summary: "Say that a file is uploaded, to learn what it was found to be. A send does the same.",
		Answers: []Answer{{200, wire.File{}, "It is complete."}}},
	{Method: http.MethodGet, Path: "/v1/attachments/{id}", By: History, ID: "getAttachment",
		Summary: "Where a file is.", Query: redirect,
		Answers: []Answer{{302, nil, "It is at Location, for five minutes."}, {200, wire.File{}, "With redirect=0: it is at url, until expires."}}},
	{Method: http.MethodGet, Path: "/v1/attachments/{id}/thumb", By: History, ID: "getThumbnail",
		Summary: "Where the thumbnail of an image is.", Query: redirect,
		Answers: []Answer{{302, nil, "It is at Location, for five minutes."}, {200, wire.File{}, "With redirect=0: it is at url, until expires."}}},
	{Method: http.MethodGet, Path: "/openapi.json", By: Gateway | History, ID: "openapi", Open: true,
		Summary: "This document.", Answers: []Answer{{200, ContentType("application/json"), "The contract of the HTTP API."}}},
	{Method: http.MethodGet, Path: "/asyncapi.json", By: Gateway | History, ID: "asyncapi", Open: true,
		Summary: "The contract of the socket.", Answers: []Answer{{200, ContentType("application/json"), "The contract of the socket."}}},
	{Method: http.MethodPost, Path: "/dev/token", By: AllInOne, ID: "devToken", Open: true,
		Summary: "A token for anybody, where dev tokens are switched on.", Body: wire.TokenRequest{},
		Answers: []Answer{{200, wire.Token{}, "The token."}}},
}

// Routes are the requests that a service answers, as "METHOD /path".
func Routes(s Service) (list []string) {
	for _, o := range Operations {
		if o.By&s != 0 {
			list = append(list, o.Method+" "+o.Path)
		}
	}
	return list
}
