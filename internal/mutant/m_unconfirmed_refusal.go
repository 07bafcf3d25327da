//go:build mutant && mutant_unconfirmed_refusal

package mutant

// Active is the breakage that is built in.
const Active = UnconfirmedRefusal
