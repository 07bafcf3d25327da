package pgtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/migrations"
)

// instance finds or starts the shared server, once a process.
var instance = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s := &server{template: "template_" + shortHash(migrations.Fingerprint())}
	if given := os.Getenv("SUBLEDGER_TEST_DATABASE_URL"); given != "" {
		if !strings.HasPrefix(given, "postgres://") && !strings.HasPrefix(given, "postgresql://") {
			return s, errors.New("SUBLEDGER_TEST_DATABASE_URL has to be a postgres:// URL")
		}
		s.base = given
	} else {
		h, err := openHome()
		if err != nil {
			return s, err
		}
		// A keeper on its way out holds it alone until its server is down.
		if s.inUse, err = h.lock(ctx, inUseLock, syscall.LOCK_SH); err != nil {
			return s, err
		}
		if s.base, err = h.server(ctx); err != nil {
			return s, err
		}
	}
	return s, s.buildTemplate(ctx)
})

const inUseLock = "in-use.lock"

// home is the directory that the test processes of one user in one checkout share.
//
//	in-use.lock  shared by the test processes, for as long as they live; taken alone by the keeper to end
//	start.lock   held while somebody looks for the server or starts it
//	pg/          the cluster
//	keeper.log   what a keeper had to say when it failed
type home struct{ dir, root string }

func (h home) path(name string) string { return filepath.Join(h.dir, name) }

func openHome() (home, error) {
	root, err := checkout()
	if err != nil {
		return home{}, err
	}
	h := home{root: root, dir: filepath.Join(os.TempDir(), fmt.Sprintf("subledger-test-%d-%s", os.Geteuid(), shortHash(root)))}
	// 0711: the user PostgreSQL runs as has to pass through to pg/, which is its own.
	if err := os.Mkdir(h.dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return h, err
	}
	// In a temporary directory anybody could have been there first.
	info, err := os.Lstat(h.dir)
	if err != nil {
		return h, err
	}
	if st := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return h, fmt.Errorf("%s isn't a directory of this user's alone; remove it", h.dir)
	}
	return h, os.Chmod(h.dir, 0o711) // whatever the umask was
}

// checkout is the directory with go.mod: go test runs in a package's directory.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
	}
	return dir, nil
}

// server returns the superuser's URL of a server that runs as long as the caller holds inUseLock.
func (h home) server(ctx context.Context) (string, error) {
	starting, err := h.lock(ctx, "start.lock", syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer starting.Close()
	for range 2 {
		url, ok, err := embeddedpg.Running(ctx, h.path("pg"))
		if err != nil {
			return "", err
		}
		if ok {
			return url(embeddedpg.Superuser, "postgres"), nil
		}
		if err := h.startKeeper(ctx); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("the shared PostgreSQL ended as soon as it had started; see %s", h.path("pg/postgres.log"))
}

// lock opens one of the home's files and locks it until the file is closed, which the garbage
// collector does to a file that nobody refers to.
func (h home) lock(ctx context.Context, name string, how int) (*os.File, error) {
	file, err := os.OpenFile(h.path(name), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), ctx.Err()), file.Close())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// startKeeper runs this test binary once more, as a keeper (keeper.go), and waits until its
// server is up. The keeper has a session and files of its own: go test waits for whoever holds its pipes.
func (h home) startKeeper(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(h.path("keeper.log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	answer, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer answer.Close()
	if limit, ok := ctx.Deadline(); ok {
		if err := answer.SetReadDeadline(limit); err != nil {
			return err
		}
	}
	keeper := exec.Command(self)
	keeper.Dir = h.root // node_modules may hold the programs
	keeper.Env = append(os.Environ(), keeperVar+"="+h.dir)
	keeper.Stdout, keeper.Stderr = log, log
	keeper.ExtraFiles = []*os.File{tell}
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = keeper.Start()
	if err = errors.Join(err, tell.Close()); err != nil {
		return fmt.Errorf("start the server's keeper: %w", err)
	}
	said, err := io.ReadAll(answer)
	if err != nil {
		return fmt.Errorf("start the server's keeper: %w", err)
	}
	switch string(said) {
	case keeperReady:
		return keeper.Process.Release() // it outlives this process
	case "":
		return fmt.Errorf("the server's keeper ended without a word; see %s", log.Name())
	}
	return errors.Join(errors.New(string(said)), keeper.Process.Release())
}

func shortHash(text string) string {
	return fmt.Sprintf("%.6x", sha256.Sum256([]byte(text)))
}
