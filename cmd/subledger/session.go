package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
)

// session is an installation that is set up, opened with its master key.
type session struct {
	*installation
	pool  *pgxpool.Pool // as the application's role
	store *eventstore.Store
	done  func()
}

// session refuses what is not set up, needs another master key, or has an older schema.
func (d Database) session(ctx context.Context) (*session, error) {
	in, err := d.open(ctx, false)
	if err != nil {
		return nil, err
	}
	s := &session{installation: in, done: func() {}}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *session) begin(ctx context.Context) error {
	owner, err := s.installation.pool(ctx, s.owner)
	if err != nil {
		return err
	}
	defer owner.Close()
	if err := s.check(ctx, owner); err != nil {
		return err
	}
	key, err := s.masterKey(ctx, owner, false)
	if err != nil {
		return err
	}
	if s.pool, err = s.installation.pool(ctx, s.app); err != nil {
		return err
	}
	var closeStore func()
	s.store, closeStore, err = s.installation.store(ctx, key)
	if err != nil {
		s.pool.Close()
		return err
	}
	s.done = func() { closeStore(); s.pool.Close() }
	return nil
}

func (s *session) close(ctx context.Context) error {
	s.done()
	return s.installation.close(ctx)
}

// Ledger says which ledger a subcommand reads.
type Ledger struct {
	Ledger       string    `placeholder:"ID" help:"The ledger's id, or system."`
	Organisation uuid.UUID `placeholder:"ID" help:"The organisation's, if there is more than one."`
	Mode         string    `enum:"live,test," default:"" placeholder:"live|test" help:"Which of its ledgers, live or test. Default: live."`
}

// contradiction refuses two answers to the one question.
func (c Ledger) contradiction() error {
	if c.Ledger != "" && (c.Organisation != uuid.Nil || c.Mode != "") {
		return errors.New("--ledger names a ledger by itself; leave out --organisation and --mode")
	}
	return nil
}

// name is the ledger for people, and the flag that chooses the organisation's other one, if it has.
func (c Ledger) name() (name, other string) {
	switch {
	case c.Ledger != "":
		return "ledger " + c.Ledger, ""
	case c.Mode == organisation.Test:
		return "the test ledger", "For the live one: --mode live"
	}
	return "the live ledger", "For the test one: --mode test"
}

// find resolves the choice to a ledger's id.
func (c Ledger) find(ctx context.Context, s *session) (uuid.UUID, error) {
	switch {
	case c.Ledger == "system":
		return s.store.SystemLedger(), nil
	case c.Ledger != "":
		id, err := uuid.Parse(c.Ledger)
		if err != nil {
			return id, &status{code: exitUsage, err: fmt.Errorf("--ledger: %q is neither an id nor system", c.Ledger)}
		}
		if _, _, err := s.store.Head(ctx, id); err != nil {
			return id, err
		}
		return id, nil
	}
	org, err := s.organisation(ctx, c.Organisation)
	if err != nil {
		return uuid.Nil, err
	}
	if c.Mode == organisation.Test {
		return org.Test, nil
	}
	return org.Live, nil
}

// reading opens a session on the ledger that is meant, with a pool of the role that reads.
func (c Ledger) reading(ctx context.Context, d Database, do func(s *session, ledger uuid.UUID, reader *pgxpool.Pool) error) (err error) {
	s, err := d.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	ledger, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	reader, err := s.installation.pool(ctx, s.reader)
	if err != nil {
		return err
	}
	defer reader.Close()
	return do(s, ledger, reader)
}

// known refuses ledgers that do not exist: nothing is wrong with them, and nothing was looked at.
func known(ctx context.Context, owner *pgxpool.Pool, ledgers []uuid.UUID) error {
	var unknown []uuid.UUID
	err := owner.QueryRow(ctx, `select coalesce(array_agg(id), '{}') from unnest($1::uuid[]) id where not exists (select from ledgers where ledger_id = id)`,
		append([]uuid.UUID{}, ledgers...)).Scan(&unknown)
	if err == nil && len(unknown) > 0 {
		err = refused("See: subledger keys list -o json", "there is no ledger %s", unknown[0])
	}
	return err
}

// organisation reads one, or the only one when id is zero.
func (s *session) organisation(ctx context.Context, id uuid.UUID) (organisation.View, error) {
	if id == uuid.Nil {
		all, err := s.organisations(ctx)
		switch {
		case err != nil:
			return organisation.View{}, err
		case len(all) == 0:
			return organisation.View{}, refused("Make one: subledger demo, or POST /ledger/v1/organisations with an admin key.", "there is no organisation yet")
		case len(all) > 1:
			next := "One of:"
			for _, o := range all[:min(len(all), 10)] {
				next += fmt.Sprintf("\n  --organisation %s  %s", o.id, printable(o.name))
			}
			return organisation.View{}, &status{code: exitUsage, err: errors.New("there are several organisations; say which"), next: next}
		}
		id = all[0].id
	}
	state, _, err := s.store.Fold(ctx, s.store.SystemLedger(), id)
	if err != nil {
		return organisation.View{}, err
	}
	org, ok := state.(*organisation.State)
	if !ok || org.Created == nil {
		return organisation.View{}, refused("See: subledger keys list", "there is no organisation %s", id)
	}
	return org.View(), nil
}

type organisationName struct {
	id   uuid.UUID
	name string
}

func (s *session) organisations(ctx context.Context) ([]organisationName, error) {
	rows, err := s.pool.Query(ctx, `select organisation_id, name from organisations order by created_at, organisation_id`)
	if err != nil {
		return nil, fmt.Errorf("list organisations: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o organisationName, err error) {
		return o, row.Scan(&o.id, &o.name)
	})
	if err != nil {
		return nil, fmt.Errorf("list organisations: %w", err)
	}
	return all, nil
}
