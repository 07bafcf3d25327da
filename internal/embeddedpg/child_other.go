//go:build !linux

package embeddedpg

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the child. There is no parent-death signal here, so a
// killed supervisor leaves an orphan behind.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
