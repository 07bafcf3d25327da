//go:build mutant && mutant_unguarded_checkpoint

package mutant

// Active is the breakage that is built in.
const Active = UnguardedCheckpoint
