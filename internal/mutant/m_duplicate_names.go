//go:build mutant && mutant_duplicate_names

package mutant

// Active is the breakage that is built in.
const Active = DuplicateNames
