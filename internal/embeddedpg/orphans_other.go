//go:build !linux

package embeddedpg

import "context"

// clearOrphans leaves the question to PostgreSQL, which refuses to start when the process that
// postmaster.pid records is alive: without /proc nothing here can tell an orphan's children.
func clearOrphans(context.Context, account, string, string) error { return nil }
