//go:build mutant && mutant_skipped_key_probe

package mutant

// Active is the breakage that is built in.
const Active = SkippedKeyProbe
