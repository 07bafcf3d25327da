// Package mutant names deliberate breakages, the negative controls of the tests: a suite that never fails
// proves nothing. One is built in with -tags mutant,mutant_<name>; prove.sh (make mutants) does so for each and
// wants a test to fail. Without tags none is, and the compiler drops every line that asks.
package mutant

// The breakages.
const (
	SkippedHeadCheck    = "skipped_head_check"   // an append writes although the ledger moved on meanwhile
	PositionIsHistory   = "position_is_history"  // an append writes wherever the position is right, whatever stands there
	UnconfirmedRefusal  = "unconfirmed_refusal"  // a refusal is given on a state that may be stale
	SkippedKeyProbe     = "skipped_key_probe"    // an idempotency key is not looked for before its command is decided
	KeptOverlay         = "kept_overlay"         // what a failed decision changed in memory stays
	ClockBackwards      = "clock_backwards"      // events are recorded at the process clock, whatever stands before them
	LooseCiphertext     = "loose_ciphertext"     // a ciphertext is not bound to its place
	PositionIsProof     = "position_is_proof"    // a reached position passes for the proof that our append happened
	ReusedUsageKey      = "reused_usage_key"     // a usage key counts twice
	CheckpointApart     = "checkpoint_apart"     // checkpoints move outside the transaction that writes the rows
	UnguardedCheckpoint = "unguarded_checkpoint" // a page is applied wherever the checkpoint stands
	ForeignStream       = "foreign_stream"       // a stream is read without its ledger
	HalfUp              = "half_up"              // amounts are rounded half up
	OneSeatMore         = "one_seat_more"        // a plan has one seat more than it says
	DriftingPeriods     = "drifting_periods"     // a month's end is not clamped
	UnhashedMeta        = "unhashed_meta"        // the chain leaves out who caused an event
	DuplicateNames      = "duplicate_names"      // a JSON object may name a field twice
	AnyScope            = "any_scope"            // every key has every scope
	DriftingRenewal     = "drifting_renewal"     // a renewal is counted from the end of the last period, not from the anchor
	SeatOutlivesEnd     = "seat_outlives_end"    // a seat goes on after its subscription's end
	TaskBackwards       = "task_backwards"       // a task that is done takes further reports
	ForgottenRoom       = "forgotten_room"       // seats that open tasks will make do not count against the maximum
	KeptPersons         = "kept_persons"         // folded states outlive an erasure
	LazyCheck           = "lazy_check"           // a check of entitlements does not wait for what was acknowledged
	FullCredit          = "full_credit"          // a credit takes back all of a line, not its unused share
	DriftingCharge      = "drifting_charge"      // the time that a price is for is counted from the last boundary, not from the anchor
)
