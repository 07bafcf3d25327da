package faults

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Points are the fault points of a process: at named steps it delays, fails, panics or kills itself, as a
// seed decides. The same seed makes the same decisions at the n-th visit of each step, whatever the others do.
//
// A spec is a list such as
//
//	seed=7,after append=kill:0.01,before append=delay:0.5:200ms,handler=panic:0.1,applied licenses=error:once
//
// of steps with what happens there and how often: a probability from 0 to 1, or once. A delay is 1 s by
// default. Steps are those of the log (before append, after append, before serial commit, after serial
// commit), of the projections (gathered, moved, applied <projection>, written, committed, told), of the
// reactions (relay published, relay committed, due, …) and of the edge (handler, answered).
type Points struct {
	armed atomic.Bool
	mu    sync.Mutex
	steps map[string]*point
	kill  func()
}

type point struct {
	random *rand.Rand
	what   string
	often  float64 // 0: once
	delay  time.Duration
	done   bool
}

// ErrFault is what a fault point of the kind error gives.
var ErrFault = errors.New("fault point")

// ParsePoints reads a spec.
func ParsePoints(spec string) (*Points, error) {
	p := &Points{steps: map[string]*point{}, kill: func() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL); select {} }}
	seed := uint64(1)
	for _, part := range strings.Split(spec, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("fault points: %q is not step=what", part)
		}
		if name == "seed" {
			var err error
			if seed, err = strconv.ParseUint(value, 10, 64); err != nil {
				return nil, fmt.Errorf("fault points: the seed is a number, not %q", value)
			}
			continue
		}
		fields := strings.Split(value, ":")
		at := &point{what: fields[0], delay: time.Second}
		switch at.what {
		case "kill", "panic", "error", "delay":
		default:
			return nil, fmt.Errorf("fault points: %s: want kill, panic, error or delay, not %q", name, at.what)
		}
		if len(fields) > 1 && fields[1] != "once" {
			often, err := strconv.ParseFloat(fields[1], 64)
			if err != nil || !(often > 0 && often <= 1) {
				return nil, fmt.Errorf("fault points: %s: how often is once, or above 0 up to 1, not %q", name, fields[1])
			}
			at.often = often
		}
		if len(fields) > 2 {
			delay, err := time.ParseDuration(fields[2])
			if err != nil || delay < 0 || at.what != "delay" {
				return nil, fmt.Errorf("fault points: %s: only a delay takes a time, such as 200ms, not %q", name, fields[2])
			}
			at.delay = delay
		}
		if len(fields) > 3 || p.steps[name] != nil {
			return nil, fmt.Errorf("fault points: %q says too much, or its step twice", part)
		}
		p.steps[name] = at
	}
	if len(p.steps) == 0 {
		return nil, errors.New("fault points: name a step")
	}
	for name, at := range p.steps {
		h := fnv.New64a()
		h.Write([]byte(name))
		at.random = rand.New(rand.NewPCG(seed, h.Sum64()))
	}
	return p, nil
}

// Arm makes them work; before, a process starts undisturbed.
func (p *Points) Arm() { p.armed.Store(true) }

// At is called at a step. It returns nil at most of them.
func (p *Points) At(step string) error {
	if !p.armed.Load() {
		return nil
	}
	p.mu.Lock()
	at := p.steps[step]
	if at == nil || at.done || at.often > 0 && at.random.Float64() >= at.often {
		p.mu.Unlock()
		return nil
	}
	at.done = at.often == 0
	p.mu.Unlock()
	switch at.what {
	case "kill":
		p.kill()
	case "panic":
		panic("fault point " + step)
	case "delay":
		time.Sleep(at.delay)
		return nil
	}
	return fmt.Errorf("%w at %q", ErrFault, step)
}
