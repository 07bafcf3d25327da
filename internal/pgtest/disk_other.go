//go:build !linux

package pgtest

import "testing"

// Disk is a small disk of its own. Only Linux has what it takes; elsewhere the test fails.
type Disk struct{ Dir string }

// SmallDisk mounts one.
func SmallDisk(t testing.TB, _ int64) *Disk {
	t.Helper()
	t.Fatal("pgtest: a small disk takes Linux and root")
	return nil
}

// Fill leaves so many bytes of it free.
func (*Disk) Fill(testing.TB, int64) {}

// Free undoes Fill.
func (*Disk) Free(testing.TB) {}
