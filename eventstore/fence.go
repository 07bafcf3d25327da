package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Place is where in the life of a database cluster a server stands. A cluster has one identity for ever; each promotion of
// a standby begins a timeline with a higher number.
type Place struct {
	System   string `json:"system"` // PostgreSQL's system identifier
	Timeline uint64 `json:"timeline"`
}

// Fence keeps a process off an old primary that came back after a standby had taken over, and off a standby.
type Fence struct {
	mu   sync.Mutex
	last Place
}

// Refusals of a fence.
var (
	ErrStandby    = errors.New("this is a standby: it takes no writes")
	ErrOldPrimary = errors.New("this is an old primary: a standby has taken over since")
	ErrOther      = errors.New("this is another database cluster than before")
)

// Fenced tells that an error is a fence's refusal: the right server may be back in a moment.
func Fenced(err error) bool {
	return errors.Is(err, ErrStandby) || errors.Is(err, ErrOldPrimary) || errors.Is(err, ErrOther)
}

// NewFence begins where the process was last; the zero value for nowhere.
func NewFence(last Place) *Fence { return &Fence{last: last} }

// Last is the furthest place that was seen.
func (f *Fence) Last() Place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Pass looks where a connection leads, and refuses the wrong places. Reads may go to a standby or to another cluster.
func (f *Fence) Pass(ctx context.Context, conn *pgx.Conn, reads bool) error {
	var at Place
	var segment string
	// In the simple protocol: nothing is prepared. The name of the segment that is being written begins with the timeline.
	err := conn.QueryRow(ctx, `select system_identifier::text, case when pg_is_in_recovery() then '' else pg_walfile_name(pg_current_wal_lsn()) end
		from pg_control_system()`, pgx.QueryExecModeSimpleProtocol).Scan(&at.System, &segment)
	if err != nil {
		return fmt.Errorf("find out which server this is: %w", err)
	}
	if segment == "" {
		if reads {
			return nil
		}
		return ErrStandby
	}
	if at.Timeline, err = strconv.ParseUint(segment[:8], 16, 32); err != nil {
		return fmt.Errorf("find out which server this is: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.last != (Place{}) && at.System != f.last.System:
		if reads {
			return nil // a copy of another kind
		}
		return fmt.Errorf("%w: %s, not %s", ErrOther, at.System, f.last.System)
	case at.Timeline < f.last.Timeline:
		return fmt.Errorf("%w: it is on timeline %d, and %d was seen", ErrOldPrimary, at.Timeline, f.last.Timeline)
	}
	if !reads {
		f.last = at
	}
	return nil
}
