//go:build mutant && mutant_reused_usage_key

package mutant

// Active is the breakage that is built in.
const Active = ReusedUsageKey
