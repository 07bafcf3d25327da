//go:build mutant && mutant_kept_persons

package mutant

// Active is the breakage that is built in.
const Active = KeptPersons
