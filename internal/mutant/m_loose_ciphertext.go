//go:build mutant && mutant_loose_ciphertext

package mutant

// Active is the breakage that is built in.
const Active = LooseCiphertext
