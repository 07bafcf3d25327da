package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/projections"
)

type projectionCommands struct {
	Status  projectionsStatus  `cmd:"" help:"How far the read models are."`
	Rebuild projectionsRebuild `cmd:"" help:"Make the read models anew beside the live ones, and put them in their place."`
	Check   projectionsCheck   `cmd:"" help:"Make the read models anew and compare them with the live ones, row by row."`
}

type projectionsStatus struct {
	Database
	Output
	Ledger uuid.UUID `placeholder:"ID" help:"Only in this ledger. Default: over all."`
}

func (c *projectionsStatus) Validate() error { return c.validate() }

// projectionState is a projections.Status on the wire.
type projectionState struct {
	Name       string  `json:"name"`
	Position   int64   `json:"position,omitzero"` // the ledger's, when one was asked for
	LagEvents  int64   `json:"lagEvents"`
	LagSeconds float64 `json:"lagSeconds"`
	Parked     int64   `json:"parked"` // ledgers
	State      string  `json:"state"`  // live, catching_up, parked
	Reason     *string `json:"reason,omitzero"`
}

func (c *projectionsStatus) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	var all []projections.Status
	if c.Ledger == uuid.Nil {
		all, err = projections.OverallStatus(ctx, s.pool, modelNames())
	} else if _, _, err = s.store.Head(ctx, c.Ledger); err == nil {
		all, err = projections.LedgerStatus(ctx, s.pool, c.Ledger, modelNames())
	}
	if err != nil {
		return err
	}
	states, rows := []projectionState{}, [][]string{}
	for _, a := range all {
		states = append(states, projectionState(a))
		reason := ""
		if a.Reason != nil {
			reason = shorten(*a.Reason, 80)
		}
		rows = append(rows, []string{a.Name, a.State, strconv.FormatInt(a.LagEvents, 10),
			time.Duration(a.LagSeconds * float64(time.Second)).Round(time.Millisecond).String(), strconv.FormatInt(a.Parked, 10), reason})
	}
	if c.json() {
		return p.writeJSON(states)
	}
	p.writeTable([]string{"name", "state", "events behind", "time behind", "parked ledgers", "reason"}, rows)
	return nil
}
