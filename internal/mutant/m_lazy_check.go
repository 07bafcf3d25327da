//go:build mutant && mutant_lazy_check

package mutant

// Active is the breakage that is built in.
const Active = LazyCheck
