//go:build mutant && mutant_position_is_history

package mutant

// Active is the breakage that is built in.
const Active = PositionIsHistory
