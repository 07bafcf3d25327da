package migrations

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3/lock"
)

// locker holds goose's session lock and bounds how long a migration waits for a table.
type locker struct{ lock.SessionLocker }

func newLocker() (locker, error) {
	l, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return locker{}, fmt.Errorf("migrate: %w", err)
	}
	return locker{l}, nil
}

func (l locker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "set lock_timeout = '3s'"); err != nil {
		return err
	}
	return l.SessionLocker.SessionLock(ctx, conn)
}
