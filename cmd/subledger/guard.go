package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
)

// guard refuses to start on a database that has gone back, before anything is written to it: on a standby, on an
// old primary, and on one that lacks what was acknowledged, unless the operator accepts that.
func (s *server) guard(ctx context.Context) error {
	owner, err := s.pool(ctx, s.owner)
	if err != nil {
		return err
	}
	defer owner.Close()
	var installed uuid.UUID // zero: a new database
	err = owner.QueryRow(ctx, `select system_ledger_id from installation`).Scan(&installed)
	if err != nil && code(err) != "42P01" && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look at the installation: %w", err)
	}
	if s.witness, err = openWitness(s.installation.config.DataDir, installed, s.log); err != nil {
		return err
	}
	s.fence = eventstore.NewFence(s.witness.known.Place)
	conn, err := owner.Acquire(ctx)
	if err != nil {
		return err
	}
	err = s.fence.Pass(ctx, conn.Conn(), false)
	conn.Release()
	switch {
	case errors.Is(err, eventstore.ErrStandby):
		return refused("Point DATABASE_URL at the primary; reads may use DATABASE_READER_URL.", "%s: %v", s.place(), err)
	case errors.Is(err, eventstore.ErrOldPrimary) && !s.config.AcceptRestore:
		return refused("Point DATABASE_URL at the server that took over. If this one is right all the same: serve --accept-restore", "%s: %v", s.place(), err)
	case errors.Is(err, eventstore.ErrOldPrimary), errors.Is(err, eventstore.ErrOther): // a copy elsewhere is no loss: what it holds is looked at
		s.fence = eventstore.NewFence(eventstore.Place{})
	case err != nil:
		return err
	}
	if s.back, err = s.witness.goneBack(ctx, owner); err != nil {
		return err
	}
	if len(s.back) > 0 && !s.config.AcceptRestore {
		first := s.back[0]
		return refused("Was a backup restored, or did a standby take over that was behind? Clients may hold answers that are gone.\n"+
			"If that is meant: serve --accept-restore, which is recorded in the system ledger.",
			"the database has gone back: %s, first %s, acknowledged up to position %d, now at %d", count(int64(len(s.back)), "ledger"), first.LedgerID, first.Position, first.Found)
	}
	return nil
}

// acceptRestore records what guard was told to accept.
func (s *server) acceptRestore(ctx context.Context) error {
	if len(s.back) == 0 {
		return nil
	}
	_, err := s.store.Execute(ctx, eventstore.Request{Ledger: s.store.SystemLedger(), Command: organisation.AcknowledgeRestore{Ledgers: s.back},
		Meta: eventstore.Meta{Actor: "operator"}})
	if err != nil {
		return fmt.Errorf("record the accepted restore: %w", err)
	}
	s.log.Warn("the database had gone back, and the operator accepted it", "ledgers", len(s.back))
	return nil
}
