//go:build mutant && mutant_seat_outlives_end

package mutant

// Active is the breakage that is built in.
const Active = SeatOutlivesEnd
