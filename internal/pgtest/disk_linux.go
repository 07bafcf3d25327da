package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Disk is a small disk of its own: a tmpfs. To make one takes root; without it the test fails.
type Disk struct{ Dir string }

// SmallDisk mounts one.
func SmallDisk(t testing.TB, bytes int64) *Disk {
	t.Helper()
	d := &Disk{Dir: openDir(t)}
	if err := syscall.Mount("tmpfs", d.Dir, "tmpfs", 0, "mode=1777,size="+strconv.FormatInt(bytes, 10)); err != nil {
		t.Fatalf("pgtest: mount a small disk (this takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("pgtest: unmount: %v", err)
		}
	})
	return d
}

// Fill leaves so many bytes of it free.
func (d *Disk) Fill(t testing.TB, free int64) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &s); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if err := os.WriteFile(d.ballast(), make([]byte, max(int64(s.Bavail)*s.Bsize-free, 0)), 0o600); err != nil {
		t.Fatalf("pgtest: fill the disk: %v", err)
	}
}

// Free undoes Fill.
func (d *Disk) Free(t testing.TB) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }
