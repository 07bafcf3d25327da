//go:build faults

package metering_test

const records = 200_000
