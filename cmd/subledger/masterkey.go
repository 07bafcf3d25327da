package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
)

// masterKeyVar has no flag: other users see command lines.
const masterKeyVar = "SUBLEDGER_MASTER_KEY"

// environmentKey is the master key of the environment, nil when there is none.
func environmentKey() (*eventstore.MasterKey, error) {
	text := os.Getenv(masterKeyVar)
	if text == "" {
		return nil, nil
	}
	key, err := eventstore.ParseMasterKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", masterKeyVar, err)
	}
	return &key, nil
}

// keyFile is where the master key lies when the environment has none.
func (d Database) keyFile() string { return filepath.Join(d.DataDir, "master.key") }

// masterKey reads the installation's key. A new one is made only where mayMake allows it and the
// database has none yet, and is on disk before the database is bound to it.
func (in *installation) masterKey(ctx context.Context, db *pgxpool.Pool, mayMake bool) (eventstore.MasterKey, error) {
	given, err := environmentKey()
	if err != nil {
		return eventstore.MasterKey{}, explainKey(err)
	}
	if given != nil {
		return *given, nil
	}
	file := in.config.keyFile()
	key, err := eventstore.ReadMasterKeyFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, closedDirectory(explainKey(err))
	}
	done, err := eventstore.Bootstrapped(ctx, db)
	if err != nil {
		return key, fmt.Errorf("look for the installation's master key: %w", err)
	}
	if done || !mayMake {
		return key, refused("Put the file back from your backup, or set "+masterKeyVar+".\nNothing was changed.",
			"the master key is missing: %s does not exist and %s is not set; without the key that the database was made with, nothing in it can be decrypted", file, masterKeyVar)
	}
	if err := os.MkdirAll(in.config.DataDir, 0o700); err != nil {
		return key, closedDirectory(fmt.Errorf("make a place for the master key: %w", err))
	}
	key = eventstore.NewMasterKey()
	if err := eventstore.WriteMasterKeyFile(file, key); errors.Is(err, fs.ErrExist) {
		return eventstore.ReadMasterKeyFile(file) // another process was quicker
	} else if err != nil {
		return key, closedDirectory(err)
	}
	in.newKey = file
	return key, nil
}

// tellKey says that there is a new key, and where.
func (in *installation) tellKey(p *process) {
	if in.newKey != "" {
		p.say("A new master key is in %s. Keep a copy elsewhere: without it the ledger can't be read.", in.newKey)
	}
}

// explainKey says what to do about a wrong master key.
func explainKey(err error) error {
	switch {
	case errors.Is(err, eventstore.ErrMasterKey):
		return &status{code: exitRefused, err: err, next: "Set " + masterKeyVar + " or put the right master.key into the data directory. Nothing was changed."}
	case errors.Is(err, eventstore.ErrMasterKeyShape):
		return &status{code: exitRefused, err: err, next: "Put the file back from your backup, or set " + masterKeyVar + " to the right key. Nothing was changed."}
	case errors.Is(err, eventstore.ErrNotBootstrapped):
		return &status{code: exitRefused, err: err}
	}
	return err
}
