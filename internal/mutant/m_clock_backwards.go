//go:build mutant && mutant_clock_backwards

package mutant

// Active is the breakage that is built in.
const Active = ClockBackwards
