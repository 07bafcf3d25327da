//go:build mutant && mutant_any_scope

package mutant

// Active is the breakage that is built in.
const Active = AnyScope
