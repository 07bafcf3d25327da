package embeddedpg

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the child, which must outlive the HTTP drain, and has
// the kernel ask it for a fast shutdown when this process dies without a word.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}
