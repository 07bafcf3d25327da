//go:build mutant && mutant_full_credit

package mutant

// Active is the breakage that is built in.
const Active = FullCredit
