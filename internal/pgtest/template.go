package pgtest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/subledger/subledger/migrations"
)

// clone copies the template page by page through the log, which needs no checkpoint and lets
// clones be made at the same time.
func (s *server) clone(ctx context.Context, name string) error {
	if err := s.execute(ctx, `create database `+name+` template `+s.template+` strategy wal_log`); err != nil {
		return fmt.Errorf("clone the template: %w", err)
	}
	return nil
}

// buildTemplate migrates a database once for all processes; its name has the migrations'
// fingerprint. It gets that name when it is complete, so a killed build is begun again.
func (s *server) buildTemplate(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.base)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	there := func() (yes bool, err error) {
		err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, s.template).Scan(&yes)
		return yes, err
	}
	if yes, err := there(); err != nil || yes {
		return err
	}
	// Advisory locks are per database, and everybody takes this one in the maintenance database.
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtext('subledger pgtest template'))`); err != nil {
		return fmt.Errorf("wait for the template: %w", err)
	}
	if yes, err := there(); err != nil || yes {
		return err
	}
	begun := s.template + "_begun"
	for _, sql := range []string{`drop database if exists ` + begun + ` with (force)`, `create database ` + begun + ` template template0 encoding 'UTF8' locale 'C'`} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("build the template: %w", err)
		}
	}
	if err := migrations.Up(ctx, s.url("", begun)); err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	// A database that somebody is connected to can't be cloned.
	for _, sql := range []string{
		`alter database ` + begun + ` with allow_connections false`,
		`alter database ` + begun + ` rename to ` + s.template,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("build the template: %w", err)
		}
	}
	return nil
}
