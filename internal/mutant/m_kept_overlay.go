//go:build mutant && mutant_kept_overlay

package mutant

// Active is the breakage that is built in.
const Active = KeptOverlay
