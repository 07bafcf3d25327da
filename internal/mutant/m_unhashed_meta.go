//go:build mutant && mutant_unhashed_meta

package mutant

// Active is the breakage that is built in.
const Active = UnhashedMeta
