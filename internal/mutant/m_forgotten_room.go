//go:build mutant && mutant_forgotten_room

package mutant

// Active is the breakage that is built in.
const Active = ForgottenRoom
