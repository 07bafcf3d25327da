package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A subcommand that started a private PostgreSQL must not stop it under another one that came
// later. So each holds users.lock, shared, while it works, and whoever stops the server takes it alone
// before. `serve` does not wait for anybody.

// shareDirectory takes part in the use of dir; nil when dir is not there yet.
func shareDirectory(ctx context.Context, dir string) (*os.File, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "users.lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", dir, err)
	}
	if err := lockFile(ctx, f, syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lastInDirectory waits until nobody else uses the directory, or ctx ends.
func lastInDirectory(ctx context.Context, f *os.File) error {
	err := lockFile(ctx, f, syscall.LOCK_EX)
	if ctx.Err() != nil {
		return nil // asked to end at once
	}
	return err
}

func lockFile(ctx context.Context, f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
