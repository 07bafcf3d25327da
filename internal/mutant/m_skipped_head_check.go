//go:build mutant && mutant_skipped_head_check

package mutant

// Active is the breakage that is built in.
const Active = SkippedHeadCheck
