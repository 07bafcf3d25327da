// Package migrations holds the schema: numbered files, forward only, run by goose.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
)

//go:embed [0-9]*.sql
var files embed.FS

// table is goose's own; it is on the exempt list of the catalog lint.
const table = "schema_migrations"

// Step is one migration and whether it is in the database.
type Step struct {
	Version int64  `json:"version"`
	File    string `json:"file"`
	Applied bool   `json:"applied"`
}

// Up applies what is missing. Each file is one transaction, so a killed run is simply run again. Two
// processes that migrate at once wait for each other on a session lock. A migration waits at most 3 s for a table's
// lock before it fails, so that it never queues traffic behind itself. Then the roles are given whatever they lack of
// what migrations grant. A new database whose owner can't make the roles gets nothing: *NoRolesError.
func Up(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := makeRoles(ctx, conn); err != nil {
		return err
	}
	err = with(ctx, databaseURL, func(p *goose.Provider) error {
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return grant(ctx, conn)
}

// Status lists all migrations in order.
func Status(ctx context.Context, databaseURL string) ([]Step, error) {
	var steps []Step
	err := with(ctx, databaseURL, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, s := range all {
			steps = append(steps, Step{Version: s.Source.Version, File: s.Source.Path, Applied: s.State == goose.StateApplied})
		}
		return err
	})
	return steps, err
}

// SQL is the text of a migration, for `migrate plan`.
func SQL(file string) (string, error) {
	b, err := files.ReadFile(file)
	return string(b), err
}

// Fingerprint changes with any change of any migration.
func Fingerprint() string {
	h := sha256.New()
	names, _ := fs.Glob(files, "*.sql")
	for _, name := range names {
		b, _ := files.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n", name, len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func with(ctx context.Context, databaseURL string, do func(*goose.Provider) error) error {
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer db.Close()
	locker, err := newLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(table), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return do(p)
}
