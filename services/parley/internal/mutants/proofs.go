package mutants

import "github.com/parley-chat/parley/pkg/mutant"

// catcher is what must pass without a mutant and fail with it: a test, or `parley
// verify`.
type catcher struct {
	pkg   string // folder in the root module; "": parley verify
	test  string
	flag  string // a further one for the test; "": none
	wants string // of verify: the invariant that must be broken
}

func (c catcher) String() string {
	if c.pkg == "" {
		return "parley verify"
	}
	return c.test
}

// verify is a run of `parley verify` that must find an invariant broken.
func verify(invariant string) catcher { return catcher{wants: invariant} }

const (
	inCommit  = "services/gateway/internal/commit"
	inRoute   = "services/gateway/internal/route"
	inGateway = "services/gateway"
	inMem     = "pkg/store/memstore"
	inPebble  = "services/parley/pebblestore"
	inJobs    = "services/gateway/internal/jobs"
	inRevoke  = "pkg/revoke"
)

// splice is the model with enough random scripts: it finds a defect in one of
// about 20, and a hundred would miss it now and then.
var splice = catcher{pkg: inRoute, test: "TestSpliceModel", flag: "-rapid.checks=1000"}

// proof is a mutant and all that must catch it.
type proof struct {
	mutant mutant.Name
	by     []catcher
}

// proofs is every mutant's.
var proofs = []proof{
	{mutant.AckBeforeStore, []catcher{{pkg: inCommit, test: "TestNothingIsAckedBeforeItIsFinished"}, verify("I1")}},
	{mutant.AnnounceBeforeStore, []catcher{{pkg: inCommit, test: "TestNothingIsAnnouncedBeforeItIsFinished"}, verify("I4")}},
	{mutant.ReadOnWrite, []catcher{{pkg: inGateway, test: "TestReceiptsGoToTheOtherSide"}, verify("I9")}},
	{mutant.NoDirtyFlag, []catcher{{pkg: inRoute, test: "TestWhatIsAnnouncedArrivesByItself"}, splice}},
	{mutant.RestUnchecked, []catcher{{pkg: inRoute, test: "TestWhatIsAnnouncedArrivesByItself"}}},
	{mutant.AheadAlone, []catcher{{pkg: inRoute, test: "TestReaderAheadOfTheAnnouncementsTellsTheOthers"}}},
	{mutant.NoCMIDIndex, []catcher{{pkg: inMem, test: "TestTwoSteps"}, {pkg: inPebble, test: "TestContract"}, verify("I1")}},
	{mutant.LocalRead, []catcher{{pkg: inCommit, test: "TestInvisibleEntryIsNoTail"}}},
	{mutant.NoFinish, []catcher{{pkg: inCommit, test: "TestRepeatIsFinishedAndAnnouncedAgain"}}},
	{mutant.DropWithoutResync, []catcher{splice, {pkg: inRoute, test: "TestWhatIsAnnouncedArrivesByItself"},
		{pkg: inGateway, test: "TestSlowForAWhileIsServedFromTheStore"}}},
	{mutant.FlushDeletes, []catcher{{pkg: inGateway, test: "TestNewDeviceStartsAtTheReadPosition"}, verify("I9")}},
	{mutant.IgnoreJump, []catcher{{pkg: "services/gateway/internal/repair", test: "TestJumpedNumberIsReadOnce"}}},
	{mutant.IgnoreDigest, []catcher{{pkg: "services/gateway/internal/repair", test: "TestMailThatDidNotComeIsReadOnce"},
		{pkg: inGateway, test: "TestUserWhoseSubscriptionIsNotThereYet"}}},
	{mutant.IgnoreKick, []catcher{{pkg: inGateway, test: "TestSecondSessionOfADeviceReplacesTheFirst"}}},
	{mutant.RemovalKeepsStream, []catcher{{pkg: inRoute, test: "TestRemovedMemberGetsItsRemovalAndNothingMore"}}},
	{mutant.SettleEarly, []catcher{{pkg: "services/gateway/internal/journal", test: "TestSettledStaysBelowWhatIsOpen"}}},
	{mutant.ReadAboveHead, []catcher{{pkg: inGateway, test: "TestUnfinishedEntryIsNotFlushed"}}},
	{mutant.TellBeforeStored, []catcher{{pkg: "services/gateway/internal/receipt", test: "TestNothingIsToldBeforeItIsStored"}}},
	{mutant.Overtake, []catcher{{pkg: inCommit, test: "TestStoreAwayEndsInUnavailableAndKeepsOrder"}}},
	{mutant.StaleJudge, []catcher{{pkg: inCommit, test: "TestUnfinishedRemovalCounts"}}},
	{mutant.AckWithoutLease, []catcher{{pkg: inCommit, test: "TestNothingIsAckedWithoutALease"}}},
	{mutant.ForeignEpoch, []catcher{{pkg: inGateway, test: "TestForeignEpochIsNotHeard"}}},
	{mutant.JobUnfenced, []catcher{{pkg: inMem, test: "TestLateSaveOfAnOldAttempt"}, {pkg: inGateway, test: "TestRetryOfABroadcast"}}},
	{mutant.ResolveUnfenced, []catcher{{pkg: inMem, test: "TestLateResolveOfAnOldAttempt"}, {pkg: inGateway, test: "TestRetryIsFenced"}, {pkg: inPebble, test: "TestContract"}}},
	{mutant.LeaseNotRenewed, []catcher{{pkg: inJobs, test: "TestJobsAreDoneStepByStep"}}},
	{mutant.LeaseUnchecked, []catcher{{pkg: inJobs, test: "TestStepEndsWithTheLease"}}},
	{mutant.ProgressEarly, []catcher{{pkg: inGateway, test: "TestBroadcastWaitsForTheStore"}}},
	{mutant.ErasedUnindexed, []catcher{{pkg: inGateway, test: "TestErasureUnderEveryFault"}}},
	{mutant.DeadForgets, []catcher{{pkg: inGateway, test: "TestRetryOfABroadcast"}, {pkg: inPebble, test: "TestContract"}}},
	{mutant.RevokeByBusAlone, []catcher{{pkg: inRevoke, test: "TestChangesAreFound"}, {pkg: inGateway, test: "TestRevokedWithTheBusAway"}}},
	{mutant.RevokeCached, []catcher{{pkg: inRevoke, test: "TestChangesAreFound"}}},
	{mutant.RevokedStays, []catcher{{pkg: inGateway, test: "TestRevokedTokenEndsItsSessions"}}},
}
