package authz

// History is the matrix of the requests that read.
var History = []Row{
	{"listConversations", "one's own, whoever one is", "", "", "401 200 200 200 200 200 200 200 200 200"},
	{"getConversation", "", "", "", "401 404 200 200 200 200 200 404 404 404"},
	{"listMembers", "", "", "", "401 404 403 200 200 200 200 404 404 404"},
	{"listMessages", "up to where a former member left", "", "", "401 404 200 200 200 200 200 404 404 404"},
	{"listEntries", "", "", "", "401 404 200 200 200 200 200 404 404 404"},
	{"explainUnread", "", "", "", "401 404 200 200 200 200 200 404 404 404"},
	{"getRetention", "", "", "", "401 404 403 403 403 403 200 404 404 200"},
	{"listSeen", "of a foreign message", "/v1/conversations/{conv}/messages/{foreign}/seen", "", "401 404 403 200 200 200 200 404 404 404"},
	{"getProfile", "one's own", "", "", "401 200 200 200 200 200 200 200 200 200"},
	{"listBlocks", "one's own", "", "", "401 200 200 200 200 200 200 200 200 200"},
	{"listBans", "", "", "", "401 403 403 403 403 403 403 403 403 200"},
	{"listDevices", "one's own", "", "", "401 200 200 200 200 200 200 200 200 200"},
	{"getDevice", "of somebody else", "/v1/devices/victims", "", "401 404 404 404 404 404 404 404 404 404"},
	{"traceMessage", "own", "/v1/messages/{conv}-{own}/trace", "", "401 404 200 200 200 200 200 404 404 200"},
	{"traceMessage", "foreign", "/v1/messages/{conv}-{foreign}/trace", "", "401 404 404 404 404 404 404 404 404 200"},
	{"export", "one's own", "", "", "401 200 200 200 200 200 200 200 200 200"},
	{"export", "of somebody else", "/v1/export?user=victim", "", "401 403 403 403 403 403 403 403 403 200"},
	{"getBroadcast", "foreign, or unknown", "/v1/broadcasts/j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "401 404 404 404 404 404 404 404 404 404"},
	{"getErasure", "unknown", "/v1/erasures/j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "401 404 404 404 404 404 404 404 404 404"},
	{"listJobs", "", "", "", "401 403 403 403 403 403 403 403 403 200"},
	{"getJob", "unknown", "/v1/jobs/j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "401 403 403 403 403 403 403 403 403 404"},
	{"search", "in the group", "/v1/search?q=x&conv={conv}", "", "401 404 200 200 200 200 200 404 404 404"},
	{"getAttachment", "sent before a former member left", "/v1/attachments/{sent}", "", "401 404 302 302 302 302 302 404 404 302"},
	{"getAttachment", "announced by another member, not sent", "/v1/attachments/{file}", "", "401 404 404 404 404 404 404 404 404 404"},
	{"getThumbnail", "sent before a former member left", "/v1/attachments/{sent}/thumb", "", "401 404 302 302 302 302 302 404 404 302"},
	{"openapi", "", "", "", "200 200 200 200 200 200 200 200 200 200"},
	{"asyncapi", "", "", "", "200 200 200 200 200 200 200 200 200 200"},
}

// Dev is the matrix of what only parley up has, with dev tokens switched on: whoever
// can reach it can be anybody, and gets no scope.
var Dev = []Row{
	{"devToken", "", "", `{"user":"victim"}`, "200 200 200 200 200 200 200 200 200 200"},
	{"devToken", "with a scope", "", `{"user":"victim","scope":"operator"}`, "400 400 400 400 400 400 400 400 400 400"},
	{"devToken", "in another tenant", "", `{"user":"victim","ns":"x"}`, "400 400 400 400 400 400 400 400 400 400"},
}

// Ops are the paths of the operations port. Nobody is asked who they are there: the
// port is for the inside of the deployment alone.
var Ops = []Row{
	{"GET", "", "/livez", "", "200"},
	{"GET", "", "/readyz", "", "200"},
	{"GET", "", "/metrics", "", "200"},
	{"GET", "", "/debug/pprof/", "", "200"},
	{"GET", "the command line may have passwords in it", "/debug/pprof/cmdline", "", "404"},
	{"POST", "", "/livez", "", "405"},
	{"GET", "", "/v1/me", "", "404"},
}
