package embeddedpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who PostgreSQL runs as. It refuses to run as root, so root drops to another user.
type account struct {
	uid, gid uint32
	drop     bool // this process is root: children change to uid, files are given to it
}

// accountFor keeps to the owner of a cluster that exists, whatever users were added since it was made.
func accountFor(name, dir string) (account, error) {
	if os.Geteuid() != 0 {
		me := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
		if name == "" {
			return me, nil
		}
		if a, err := lookup(name); err != nil || a.uid != me.uid {
			return me, fmt.Errorf("only root can run PostgreSQL as another user (%s); unset SUBLEDGER_PG_USER", name)
		}
		return me, nil
	}
	if name != "" {
		a, err := lookup(name)
		if err != nil {
			return a, fmt.Errorf("find the user SUBLEDGER_PG_USER names: %w", err)
		}
		if a.uid == 0 {
			return a, errors.New("PostgreSQL refuses to run as root; set SUBLEDGER_PG_USER to another user")
		}
		return a, nil
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		if uid, gid := owner(info); uid != 0 {
			return account{uid: uid, gid: gid, drop: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if a, err := lookup(name); err == nil && a.uid != 0 {
			return a, nil
		}
	}
	return account{}, errors.New("running as root, and found neither a `postgres` nor a `nobody` user to run PostgreSQL as; " +
		"set SUBLEDGER_PG_USER or start the ledger as an ordinary user")
}

func lookup(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user id of %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("group id of %s: %w", name, err)
	}
	return account{uid: uint32(uid), gid: uint32(gid), drop: os.Geteuid() == 0}, nil
}

func owner(info fs.FileInfo) (uid, gid uint32) {
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid
}

// give hands a path that root has made to the account. It doesn't follow a symbolic link.
func (a account) give(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// blocked names the first directory on the way to path, path itself left out, that the account
// can't pass through; "" if it can. It reads the mode bits, as access lists are rare there. Only
// root has to ask: an ordinary user runs PostgreSQL as itself.
func (a account) blocked(path string) (string, error) {
	if !a.drop {
		return "", nil
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	above := filepath.Dir(path)
	if above != path {
		if at, err := a.blocked(above); err != nil || at != "" {
			return at, err
		}
	}
	info, err := os.Stat(above)
	if err != nil {
		return "", err
	}
	bit := fs.FileMode(0o001)
	if uid, gid := owner(info); uid == a.uid {
		bit = 0o100
	} else if gid == a.gid {
		bit = 0o010
	}
	if info.Mode()&bit == 0 {
		return fmt.Sprintf("%s (mode %o)", above, info.Mode().Perm()), nil
	}
	return "", nil
}
