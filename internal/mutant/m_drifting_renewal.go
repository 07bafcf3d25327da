//go:build mutant && mutant_drifting_renewal

package mutant

// Active is the breakage that is built in.
const Active = DriftingRenewal
