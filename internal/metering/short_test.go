//go:build !faults

package metering_test

// records of the long stream in a quick run: `make faults` has ten times as many.
const records = 20_000
