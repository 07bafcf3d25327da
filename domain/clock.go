package domain

import "time"

// ClockMoved sets a test ledger's clock: from then on the ledger's moments are its time, until the
// next one (design section 3, rule 12). Its stream is the ledger's own id.
type ClockMoved struct {
	To time.Time `json:"to"`
}

func (ClockMoved) EventType() string { return "clock.moved.v1" }

// Clock is the fold of a ledger's clock stream; a zero Now is the system clock.
type Clock struct{ Now time.Time }

func (c *Clock) Apply(e Event) {
	if e, ok := e.(ClockMoved); ok {
		c.Now = e.To
	}
}

// ClockVocabulary is for the log's codec.
func ClockVocabulary() Vocabulary {
	return Vocabulary{Kind: "clock", New: func() State { return &Clock{} }, Events: []EventType{Named[ClockMoved]()}}
}
