package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// cpuTime is what this process, the programs it ran to their end, and PostgreSQL have used. On a busy
// machine it says more than a rate: it does not count the time that others had the processor. It is zero
// where there is no /proc.
func cpuTime(postmaster int) time.Duration {
	own, children := usageOf(syscall.RUSAGE_SELF), usageOf(syscall.RUSAGE_CHILDREN)
	postgres, err := familyTime(postmaster)
	if err != nil {
		return 0
	}
	return own + children + postgres
}

func usageOf(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tick is the unit of /proc's times: Linux has 100 a second on every platform that Go runs on.
const tick = 10 * time.Millisecond

// familyTime is that of a process, its running children and those that it has waited for.
func familyTime(pid int) (time.Duration, error) {
	ended, _, err := processTime(pid, true)
	if err != nil {
		return 0, err
	}
	total := ended
	names, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		child, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		if used, parent, err := processTime(child, false); err == nil && parent == pid { // it may have ended meanwhile
			total += used
		}
	}
	return total, nil
}

// processTime reads /proc/PID/stat: fields 14 to 17 are its own times and those of ended children.
func processTime(pid int, withEnded bool) (used time.Duration, parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The second field is the name in parentheses and may hold anything; the third comes after it.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(field int) int {
		n, _ := strconv.Atoi(string(fields[field-3])) // the kernel writes numbers
		return n
	}
	ticks := number(14) + number(15)
	if withEnded {
		ticks += number(16) + number(17)
	}
	return time.Duration(ticks) * tick, number(4), nil
}
