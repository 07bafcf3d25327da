//go:build faults

package handlers

// What `make faults` does at length.
func init() {
	manyAddresses, bruteForce, keyTries = 1_000_000, 30_000, 20_000
}
