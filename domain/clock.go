package domain

import "time"

// ClockMoved sets a test ledger's clock: from then on the ledger's moments are its time, until the
// next one (design section 3, rule 12). Its stream is the ledger's own id.
type ClockMoved struct {
	To time.Time `json:"to"`
}

func (ClockMoved) EventType() string { return "clock.moved.v1" }

// Clock is the fold of a ledger's clock stream; a zero Now is the system clock.
type Clock struct {
	Record
	Now time.Time
}

// Apply implements State.
func (c *Clock) Apply(e Event) {
	if e, ok := e.(ClockMoved); ok {
		c.Now = e.To
	}
}

// ClockVocabulary is for the log's codec.
func ClockVocabulary() Vocabulary {
	return Vocabulary{Kind: "clock", New: func() State { return &Clock{} }, Events: []EventType{Named[ClockMoved]()}}
}

// Recorder is a Ledger that knows when its newest event was recorded, zero when it has none. MoveClock
// needs it to start a clock in the past; in other ledgers a clock starts at Now at the earliest.
type Recorder interface {
	LastRecorded() time.Time
}

// MoveClock starts a test ledger's clock or moves it on; UTC, cut to microseconds. It answers ClockView.
//
// Forbidden: not_a_test_ledger. Invalid: bad_time. Conflict: clock_backwards, when the clock is later
// already or, at its start, events were recorded later. A move to where it stands makes no event.
type MoveClock struct {
	To time.Time
}

// ClockView is a ledger's clock after MoveClock.
type ClockView struct {
	Now  time.Time `json:"now"`
	Mode string    `json:"mode"` // test
}

// Decide implements Command.
func (c MoveClock) Decide(l Ledger) (any, error) {
	to := c.To.UTC().Truncate(time.Microsecond)
	if err := CheckClock(l, to, "/now"); err != nil {
		return nil, err
	}
	state, err := l.Load(l.ID())
	if err != nil {
		return nil, err
	}
	if clock, ok := state.(*Clock); ok && to.Equal(clock.Now) {
		return ClockView{Now: to, Mode: "test"}, nil
	}
	l.Append(l.ID(), ClockMoved{To: to})
	return ClockView{Now: to, Mode: "test"}, nil
}

// CheckClock refuses what MoveClock does: to is cut to microseconds, pointer names it.
func CheckClock(l Ledger, to time.Time, pointer string) error {
	if !l.Test() {
		return Refuse(Forbidden, "not_a_test_ledger", "only a test ledger has a clock that moves")
	}
	if to.Year() < 1970 || to.Year() > 9999 {
		return RefuseField(pointer, "bad_time", "a clock shows a time of the years 1970 to 9999")
	}
	state, err := l.Load(l.ID())
	if err != nil {
		return err
	}
	earliest := l.Now()
	if clock, ok := state.(*Clock); ok && !clock.Now.IsZero() {
		earliest = clock.Now
	} else if r, ok := l.(Recorder); ok {
		earliest = r.LastRecorded()
	}
	if to.Before(earliest) {
		return &Error{Kind: Conflict, Code: "clock_backwards", State: earliest.Format(time.RFC3339Nano),
			Detail: "the clock never goes back: this ledger has reached " + earliest.Format(time.RFC3339Nano)}
	}
	return nil
}
