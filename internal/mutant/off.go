//go:build !mutant

package mutant

// Active is the breakage that is built in: none.
const Active = ""
