// Package selftest holds a database against what must always be true of it: the invariants that are
// checked after each fault. It reads what is stored, with its own eyes: no state of the product, no fold
// of domain, and no read model is believed, but for the comparison of read models with a full replay.
//
// Every check works at fixed positions and pages by key; none holds a snapshot for longer than a page.
package selftest

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/internal/faults"
)

// Breach is a place where an invariant does not hold.
type Breach struct {
	Ledger   uuid.UUID `json:"ledger,omitzero"`
	Position int64     `json:"position,omitzero"`
	Stream   uuid.UUID `json:"stream,omitzero"`
	Problem  string    `json:"problem"`
}

func (b Breach) String() string {
	var at []string
	if b.Ledger != uuid.Nil {
		at = append(at, "ledger "+b.Ledger.String())
	}
	if b.Position != 0 {
		at = append(at, fmt.Sprintf("position %d", b.Position))
	}
	if b.Stream != uuid.Nil {
		at = append(at, "stream "+b.Stream.String())
	}
	if len(at) == 0 {
		return b.Problem
	}
	return strings.Join(at, " ") + ": " + b.Problem
}

// Finding is what came of one invariant. Not checked is not passed: Skipped says why.
type Finding struct {
	Number   int      `json:"number"`
	Name     string   `json:"name"`
	Checked  int64    `json:"checked"` // how many of What
	What     string   `json:"what"`
	Skipped  string   `json:"notChecked,omitempty"`
	Breaches []Breach `json:"breaches"`
	Advice   string   `json:"advice,omitempty"` // what to do about them
}

// most is how many breaches of one invariant are told.
const most = 20

func (f *Finding) breach(b Breach) {
	if len(f.Breaches) < most {
		f.Breaches = append(f.Breaches, b)
	}
}

// Options of a check.
type Options struct {
	Ledgers []uuid.UUID // none: all
	Journal []*faults.Entry
	// Projections compares the read models with a full replay: the rows that differ, and how many rows
	// were compared. Nil: not checked.
	Projections func(context.Context) (differences []Breach, models int64, err error)
	Progress    func(done, total int64) // events; nil: nobody looks
}

// check is one invariant.
type check struct {
	number int
	name   string
	advice string
	do     func(ctx context.Context, x *run, f *Finding) error
}

type run struct {
	Options
	pool *pgxpool.Pool // sees everything: the owner's
}

// checks are the invariants in the order of their numbers.
var checks = []check{
	{1, "acknowledged commands are present once", "The log lost or doubled an acknowledged command: restore from a backup made before, and keep this database for an inquiry.", acknowledged},
	{2, "nothing is there that nobody sent", "Somebody else writes to these ledgers, or a command was split: compare the keys that are told with the clients' own records.", nothingExtra},
	{3, "streams, positions and chains are whole", "History was changed or is damaged: restore from a backup made before; `subledger verify --against` tells how far an earlier checkpoint still holds.", chains},
	{4, "every event belongs to one command", "Half of a command is missing, or events were added by hand: restore from a backup made before.", whole},
	{6, "read models are what a full replay makes", "If nothing is wrong with the log, 3 and 4: subledger projections rebuild", replay},
	{7, "money adds up", "With 3 or 6 broken too, see there first. Otherwise: subledger invoice verify --all tells which amount is not what its events come to; keep the database and report it.", money},
	{8, "seats, periods and usage add up", "With 3 or 6 broken too, see there first. Otherwise the rules were broken when these events were written: that is a defect of the program; keep the database and report it.", business},
	{9, "tenants are walled off", "Run: subledger migrate up. A table that stays open, or a ledger or key of another organisation, was changed by hand: restore it from a backup.", walls},
	{10, "outside work is neither lost nor doubled", "A provider's call has no row to be made from: restart the reactor; when it stays, report the task.", outbox},
	{14, "nothing is left open", "End the sessions that are named, or find out who holds them: they keep old rows from being cleaned up.", resources},
}

// unchecked are the invariants that this program cannot check of a database alone.
var unchecked = []Finding{
	{Number: 11, Name: "a repeated journal changes nothing", Skipped: "the journal is sent again by the harness of the fault tests, not by this command"},
	{Number: 12, Name: "answers as of a moment stay", Skipped: "there are no reads as of a moment in this version"},
	{Number: 13, Name: "histories are linearisable", Skipped: "needs the times of calls: the model test checks it"},
	{Number: 15, Name: "every failure is explained", Skipped: "needs the server's log: the fault tests check it"},
}

// Check runs every invariant in order and tells what it found. An error is a fault of the check itself;
// what is wrong with the database is in the findings. Pool has to see all rows: the owner's.
func Check(ctx context.Context, pool *pgxpool.Pool, o Options) ([]Finding, error) {
	x := &run{Options: o, pool: pool}
	if x.Progress == nil {
		x.Progress = func(int64, int64) {}
	}
	var all []Finding
	for _, c := range checks {
		f := Finding{Number: c.number, Name: c.name, Breaches: []Breach{}}
		if err := c.do(ctx, x, &f); err != nil {
			return all, fmt.Errorf("invariant %d, %s: %w", c.number, c.name, err)
		}
		if len(f.Breaches) > 0 {
			f.Advice = c.advice
		}
		all = append(all, f)
	}
	for _, f := range unchecked {
		f.Breaches = []Breach{}
		at := 0
		for at < len(all) && all[at].Number < f.Number {
			at++
		}
		all = append(all[:at], append([]Finding{f}, all[at:]...)...)
	}
	return all, nil
}

// Broken tells how many invariants do not hold.
func Broken(all []Finding) (n int) {
	for _, f := range all {
		if len(f.Breaches) > 0 {
			n++
		}
	}
	return n
}
