package reactions

import "time"

// Backoff says when a failed attempt is made again: after First, then twice as long each time, at most
// Last. After Attempts attempts the task has failed.
type Backoff struct {
	First    time.Duration // default 200 ms
	Last     time.Duration // default 1 h
	Attempts int           // default 20: with the defaults it goes on for about six hours
}

func (b *Backoff) setDefaults() {
	if b.First == 0 {
		b.First = 200 * time.Millisecond
	}
	if b.Last == 0 {
		b.Last = time.Hour
	}
	if b.Attempts == 0 {
		b.Attempts = 20
	}
}

// After is the pause after the n-th failure, 1 the first.
func (b Backoff) After(n int) time.Duration {
	d := b.First
	for ; n > 1 && d < b.Last; n-- {
		d *= 2
	}
	return min(d, b.Last)
}
