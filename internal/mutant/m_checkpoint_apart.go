//go:build mutant && mutant_checkpoint_apart

package mutant

// Active is the breakage that is built in.
const Active = CheckpointApart
