//go:build mutant && mutant_drifting_charge

package mutant

// Active is the breakage that is built in.
const Active = DriftingCharge
