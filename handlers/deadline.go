package handlers

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// deadline is when a connection's reads, or its writes, end. net/http moves the two of them eight times a request, and
// nearly always nothing waits until they are moved again: the connection's own timer is touched only where
// something waits that it would end too late.
type deadline struct {
	set     func(time.Time) error // the connection's own
	wanted  atomic.Int64          // Unix nanoseconds; 0 for never, longPast to end what waits
	armed   atomic.Int64          // what the connection goes by: earlier than wanted is good enough, since do tries again
	waiting atomic.Int32
	arming  sync.Mutex
}

// longPast stands for all times before the process began: net/http ends a read by one.
const longPast = -1

var processBegan = time.Now()

// move is SetReadDeadline or SetWriteDeadline.
func (d *deadline) move(to time.Time) error {
	switch {
	case to.IsZero():
		d.wanted.Store(0)
	case to.Before(processBegan):
		d.wanted.Store(longPast)
	default:
		d.wanted.Store(to.UnixNano())
	}
	if d.waiting.Load() > 0 && d.late() { // else whoever begins to wait sees what is wanted
		return d.arm()
	}
	return nil
}

// late tells whether the connection would end too late.
func (d *deadline) late() bool {
	wanted, armed := d.wanted.Load(), d.armed.Load()
	return wanted != 0 && (armed == 0 || armed > wanted)
}

func (d *deadline) arm() error {
	d.arming.Lock()
	defer d.arming.Unlock()
	wanted := d.wanted.Load()
	d.armed.Store(wanted)
	switch wanted {
	case 0:
		return d.set(time.Time{})
	case longPast:
		return d.set(processBegan)
	default:
		return d.set(time.Unix(0, wanted))
	}
}

func (d *deadline) over() bool {
	wanted := d.wanted.Load()
	return wanted == longPast || wanted != 0 && time.Now().UnixNano() >= wanted
}

// do moves bytes until it is done, fails, or is over.
func (d *deadline) do(p []byte, move func([]byte) (int, error)) (n int, err error) {
	d.waiting.Add(1)
	defer d.waiting.Add(-1)
	for {
		if d.wanted.Load() == longPast {
			return n, os.ErrDeadlineExceeded
		}
		if d.late() {
			if err := d.arm(); err != nil {
				return n, err
			}
		}
		moved, err := move(p[n:])
		n += moved
		if err == nil || d.over() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := d.arm(); err != nil { // it ended by a time that has been moved since
			return n, err
		}
	}
}
