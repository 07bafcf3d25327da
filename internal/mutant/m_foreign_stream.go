//go:build mutant && mutant_foreign_stream

package mutant

// Active is the breakage that is built in.
const Active = ForeignStream
