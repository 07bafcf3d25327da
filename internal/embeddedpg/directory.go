package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ours are the names that may stand in a directory which is about to become the supervisor's.
// pgbin is where the Makefile puts npm's programs, before the first start; master.key, users.lock and
// witness.json are the command line's, which may have used another server before.
var ours = []string{"data", "data.new", "run", "postgres.log", "postgres.log.1", lockName, "pgbin", "master.key", "users.lock", "witness.json", ".DS_Store"}

// prepare makes dir, mode 0700 and the account's. A directory that holds other people's files
// keeps its owner and mode, and is refused.
func prepare(dir string, who account) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the directory for the data: %w", err)
	}
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the directory for the data: %w", err)
	}
	fresh := err == nil
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file; set SUBLEDGER_DATA_DIR to a directory", dir)
	}
	if at, err := who.blocked(dir); err != nil {
		return err
	} else if at != "" {
		if fresh {
			_ = os.Remove(dir) // it is empty, and was made a moment ago
		}
		return fmt.Errorf("user id %d can't pass through %s, so PostgreSQL can't use %s; "+
			"set SUBLEDGER_DATA_DIR to a directory outside it (as root the default is /var/lib/subledger)", who.uid, at, dir)
	}
	if uid, _ := owner(info); uid == who.uid && info.Mode().Perm() == 0o700 {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the directory for the data: %w", err)
	}
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			return fmt.Errorf("%s holds other files than subledger's (%s); set SUBLEDGER_DATA_DIR to a directory of its own", dir, e.Name())
		}
	}
	if err := who.give(dir); err != nil {
		return fmt.Errorf("give %s to user id %d: %w", dir, who.uid, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close %s to other users: %w", dir, err)
	}
	return nil
}

// madeBy is the major version that made the cluster in data; 0 means that there is none yet.
func madeBy(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(data); errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return 0, fmt.Errorf("%s has no PG_VERSION, so it isn't a PostgreSQL data directory; "+
			"move it away or set SUBLEDGER_DATA_DIR to another directory. Nothing was changed or deleted", data)
	}
	if err != nil {
		return 0, fmt.Errorf("read the data directory's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION says %q, not a version. Nothing was changed or deleted", data, text)
	}
	return major, nil
}

// initCluster makes dir/data if there is none. The cluster gets its name when it is complete and
// on disk, so a killed first start leaves data.new, which is begun again.
func (s *Server) initCluster(ctx context.Context) error {
	if _, err := os.Lstat(s.data); err == nil {
		return nil
	}
	begun := s.data + ".new"
	if err := clearOrphans(ctx, s.who, begun, s.socketDir); err != nil {
		return err
	}
	if err := os.RemoveAll(begun); err != nil {
		return fmt.Errorf("remove a cluster that wasn't finished: %w", err)
	}
	initdb := filepath.Join(s.programs.dir, "initdb")
	out, err := s.who.run(ctx, initdb, append([]string{"-D", begun, "-U", Superuser, "--auth=trust", "--encoding=UTF8", "--locale=C",
		"--data-checksums", "--no-instructions", "--no-sync"}, s.config.Initdb...)...)
	if err == nil && !s.config.NoFsync {
		out, err = s.who.run(ctx, initdb, "-D", begun, "--sync-only")
	}
	if err != nil {
		return fmt.Errorf("initdb failed (%w):\n  %s", err, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "\n  "))
	}
	if err := os.Rename(begun, s.data); err != nil {
		return fmt.Errorf("name the finished cluster: %w", err)
	}
	parent, err := os.Open(filepath.Dir(s.data))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
