//go:build mutant && mutant_one_seat_more

package mutant

// Active is the breakage that is built in.
const Active = OneSeatMore
