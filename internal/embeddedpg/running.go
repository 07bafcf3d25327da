package embeddedpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	lockName   = "supervisor.lock"
	socketName = ".s.PGSQL.5432"
)

// ErrInUse says that another supervisor holds the directory.
var ErrInUse = errors.New("another subledger already runs")

// Running tells whether a supervisor holds dir, and how to connect to its PostgreSQL. ok is false
// with no error when nobody does: the caller may then Start its own. A supervisor that is
// still starting is waited for, ten seconds at most.
func Running(ctx context.Context, dir string) (url func(user, database string) string, ok bool, err error) {
	lock, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("look for a running subledger: %w", err)
	}
	defer lock.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if err == nil {
			return nil, false, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, false, fmt.Errorf("look for a running subledger: lock %s: %w", lock.Name(), err)
		}
		socketDir, err := os.ReadFile(lock.Name())
		if err != nil {
			return nil, false, fmt.Errorf("look for a running subledger: %w", err)
		}
		if filepath.IsAbs(string(socketDir)) {
			if err = ping(ctx, string(socketDir)); err == nil {
				return func(user, database string) string { return connString(string(socketDir), user, database) }, true, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, false, fmt.Errorf("a subledger runs on %s, but its PostgreSQL doesn't answer: %w", dir, errors.Join(err, ctx.Err()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ping connects once.
func ping(ctx context.Context, socketDir string) error {
	if _, err := os.Stat(filepath.Join(socketDir, socketName)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, connString(socketDir, Superuser, "postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// lockDir makes this process dir's supervisor until the file is closed. Running holds the lock
// for an instant when it looks, and a supervisor that was killed may take one to die: hence the
// second of patience.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the supervisor's lock: %w", err)
	}
	for end := time.Now().Add(time.Second); ; {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("lock %s: %w", lock.Name(), err)
			break
		}
		if time.Now().After(end) {
			err = fmt.Errorf("%w on %s; stop it, or set SUBLEDGER_DATA_DIR to another directory", ErrInUse, dir)
			break
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), lock.Close())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil, errors.Join(err, lock.Close())
}

// publish tells Running where the socket is. The lock is held, so nobody else writes.
func publish(lock *os.File, socketDir string) error {
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write the supervisor's lock: %w", err)
	}
	if _, err := lock.WriteAt([]byte(socketDir), 0); err != nil {
		return fmt.Errorf("write the supervisor's lock: %w", err)
	}
	return nil
}

// makeSocketDir returns dir/run or, when that is too long for a socket's address, a folder of the
// system's temporary directory with dir's hash in its name.
func makeSocketDir(dir string, who account) (string, error) {
	longest := len(syscall.RawSockaddrUnix{}.Path) - 1 - len("/"+socketName)
	socketDir := filepath.Join(dir, "run")
	for _, temp := range []string{os.TempDir(), "/tmp"} {
		if len(socketDir) > longest {
			socketDir = filepath.Join(temp, fmt.Sprintf("subledger-%.8x", sha256.Sum256([]byte(dir))))
		}
	}
	err := os.Mkdir(socketDir, 0o700)
	if err == nil {
		err = who.give(socketDir)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the socket's directory: %w", err)
	}
	// In a temporary directory anybody could have been there first.
	info, err := os.Lstat(socketDir)
	if err != nil {
		return "", err
	}
	if uid, _ := owner(info); !info.IsDir() || uid != who.uid || info.Mode().Perm() != 0o700 {
		return "", fmt.Errorf("%s isn't a directory of user id %d with mode 700; remove it", socketDir, who.uid)
	}
	if at, err := who.blocked(socketDir); err != nil {
		return "", err
	} else if at != "" {
		return "", fmt.Errorf("user id %d can't pass through %s, so PostgreSQL can't put its socket into %s; set TMPDIR to another directory", who.uid, at, socketDir)
	}
	return socketDir, nil
}
