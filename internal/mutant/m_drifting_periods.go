//go:build mutant && mutant_drifting_periods

package mutant

// Active is the breakage that is built in.
const Active = DriftingPeriods
