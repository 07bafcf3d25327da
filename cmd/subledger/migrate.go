package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/subledger/subledger/migrations"
)

type migrateCommands struct {
	Up     migrateUp     `cmd:"" help:"Apply the migrations that are missing, and set up a new database."`
	Status migrateStatus `cmd:"" help:"List the migrations and which are applied."`
	Plan   migratePlan   `cmd:"" help:"Print the SQL that up would run."`
}

type migrateUp struct {
	Database
	Output
}

func (c *migrateUp) Validate() error { return c.validateOwner() }

// Run applies what is missing. Applied counts it.
func (c *migrateUp) Run(ctx context.Context, p *process) (err error) {
	in, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	before, err := in.missing(ctx)
	if err != nil {
		return err
	}
	key, err := in.prepare(ctx)
	if err != nil {
		return err
	}
	in.tellKey(p)
	in.app = in.owner // the application's role may have no password yet
	store, done, err := in.store(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	built, err := in.buildNew(ctx, p, store)
	if err != nil {
		return err
	}
	if c.json() {
		return p.writeJSON(struct {
			Applied []migrations.Step `json:"applied"`
			Built   []string          `json:"built"` // read models that are new
		}{before, append([]string{}, built...)})
	}
	if _, err = fmt.Fprintf(p.stdout, "%d migrations applied; the schema is up to date.\n", len(before)); err == nil && len(built) > 0 {
		_, err = fmt.Fprintf(p.stdout, "%s built: %s\n", count(int64(len(built)), "new read model"), strings.Join(built, ", "))
	}
	return err
}

// missing lists the migrations that are not applied.
func (in *installation) missing(ctx context.Context) ([]migrations.Step, error) {
	all, err := migrations.Status(ctx, in.owner)
	if err != nil {
		return nil, in.unreachable(err)
	}
	missing := []migrations.Step{}
	for _, s := range all {
		if !s.Applied {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

type migrateStatus struct {
	Database
	Output
}

func (c *migrateStatus) Validate() error { return c.validateOwner() }

func (c *migrateStatus) Run(ctx context.Context, p *process) (err error) {
	in, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	steps, err := migrations.Status(ctx, in.owner)
	if err != nil {
		return in.unreachable(err)
	}
	if c.json() {
		return p.writeJSON(steps)
	}
	var rows [][]string
	for _, s := range steps {
		state := "missing"
		if s.Applied {
			state = "applied"
		}
		rows = append(rows, []string{fmt.Sprint(s.Version), s.File, state})
	}
	p.writeTable([]string{"version", "file", "state"}, rows)
	return nil
}

type migratePlan struct {
	Database
	Output
}

func (c *migratePlan) Validate() error { return c.validateOwner() }

// plannedStep is a migration that is not applied yet.
type plannedStep struct {
	migrations.Step
	SQL string `json:"sql"`
}

func (c *migratePlan) Run(ctx context.Context, p *process) (err error) {
	in, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	missing, err := in.missing(ctx)
	if err != nil {
		return err
	}
	plan := []plannedStep{}
	for _, s := range missing {
		text, err := migrations.SQL(s.File)
		if err != nil {
			return err
		}
		plan = append(plan, plannedStep{s, text})
	}
	if c.json() {
		return p.writeJSON(plan)
	}
	for _, s := range plan {
		fmt.Fprintf(p.stdout, "-- %s\n%s\n", s.File, s.SQL)
	}
	if len(plan) == 0 {
		fmt.Fprintln(p.stdout, "-- nothing to do: the schema is up to date")
	}
	return nil
}
