//go:build mutant && mutant_half_up

package mutant

// Active is the breakage that is built in.
const Active = HalfUp
