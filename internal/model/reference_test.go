// Package model runs random commands against a naive reference: plain counts and obvious code, written
// without the deciders that it judges. The same steps run on the ledger in memory and on the real log, with
// lost answers, crashes, two processes and retries; concurrent histories are checked for linearisability.
package model

import "slices"

// naive is what must be true of one subscription to a plan by the seat; time stands still.
type naive struct {
	least, most int
	seats       []string // grantees of the live ones, oldest first; "": unassigned
	removed     int
	ending      bool // at the period's end
	ended       bool
	version     int64
	usage       map[string]int // by key
	total       int
}

// outcome of a command: "" when it is accepted, else the code of the refusal.
func (n *naive) add(count int) string {
	switch {
	case n.ended:
		return "subscription_ended"
	case len(n.seats)+count > n.most:
		return "seat_maximum"
	}
	for range count {
		n.seats = append(n.seats, "")
	}
	n.version++
	return ""
}

func (n *naive) remove(count int) string {
	switch {
	case n.ended:
		return "subscription_ended"
	case len(n.seats)-count < n.least:
		return "seat_minimum"
	case n.free() < count:
		return "not_enough_unassigned"
	}
	for i := len(n.seats) - 1; count > 0; i-- { // the newest unassigned go first
		if n.seats[i] == "" {
			n.seats = slices.Delete(n.seats, i, i+1)
			count--
			n.removed++
		}
	}
	n.version++
	return ""
}

func (n *naive) free() (free int) {
	for _, grantee := range n.seats {
		if grantee == "" {
			free++
		}
	}
	return free
}

func (n *naive) set(count int) string {
	switch {
	case count > len(n.seats):
		return n.add(count - len(n.seats))
	case count < len(n.seats):
		return n.remove(len(n.seats) - count)
	case n.ended:
		return "subscription_ended"
	}
	return ""
}

func (n *naive) assign(seat int, grantee string) string {
	switch {
	case n.ended:
		return "license_ended"
	case n.seats[seat] == grantee:
		return ""
	}
	n.seats[seat] = grantee
	n.version++
	return ""
}

func (n *naive) cancel(now bool) string {
	switch {
	case n.ended, !now && n.ending:
		return ""
	case now:
		n.ended = true
	default:
		n.ending = true
	}
	n.version++
	return ""
}

func (n *naive) reactivate() string {
	switch {
	case n.ended:
		return "subscription_ended"
	case n.ending:
		n.ending = false
		n.version++
	}
	return ""
}

// record tells "duplicate" for a key that counted before with the same quantity; another quantity is refused.
func (n *naive) record(key string, quantity int) string {
	before, used := n.usage[key]
	switch {
	case used && before == quantity:
		return "duplicate"
	case used:
		return "key_reused"
	}
	n.usage[key] = quantity
	n.total += quantity
	return ""
}
