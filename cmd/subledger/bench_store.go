package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/internal/bench"
	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/projections"
)

// benched is what serve starts, on a private PostgreSQL, fsync on.
type benched struct {
	installation *installation
	server       *server
	owner        *pgxpool.Pool
}

func (c *benchCommand) start(ctx context.Context, dir string, roles ...string) (b *benched, err error) {
	if len(roles) == 0 {
		roles = []string{"api", "projector", "reactor"}
	}
	// What the server says is not part of the result; its faults show as errors of requests.
	log := slog.New(slog.DiscardHandler)
	config := &serveCommand{Listen: "127.0.0.1:0", Demo: true, Roles: roles, Connections: 48, Drain: 5 * time.Second,
		Database: Database{DataDir: dir, PGBin: c.PGBin, PGCache: c.PGCache, PGUser: c.PGUser}}
	in := &installation{config: config.Database, embedded: true}
	b = &benched{installation: in}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.stop(ctx))
		}
	}()
	in.server, err = embeddedpg.Start(ctx, embeddedpg.Config{Dir: config.DataDir, BinDir: c.PGBin, CacheDir: c.PGCache, User: c.PGUser, Logger: log,
		Settings: map[string]string{"max_connections": "120"}})
	if err != nil {
		return nil, err
	}
	in.locate(in.server.URL)
	if err := in.server.EnsureDatabase(ctx, databaseName); err != nil {
		return nil, err
	}
	listener, err := config.listen()
	if err != nil {
		return nil, err
	}
	b.server = &server{config: config, installation: in, log: log, listener: listener}
	if err := b.server.start(ctx); err != nil {
		return nil, err
	}
	b.owner, err = in.pool(ctx, in.owner)
	return b, err
}

func (b *benched) stop(ctx context.Context) error {
	var err error
	if b.owner != nil {
		b.owner.Close()
	}
	if b.server != nil {
		err = b.server.stop()
	}
	return errors.Join(err, b.installation.close(context.WithoutCancel(ctx)))
}

func (b *benched) target(progress func(done, total int64)) bench.Target {
	s := b.server
	return bench.Target{
		Address: strings.TrimPrefix(s.told.Address, "http://"), AdminKey: s.told.Keys.Admin, Product: databaseName, Store: s.store, Postmaster: s.server.Pid,
		Database: func(name string) string { return s.server.URL(embeddedpg.Superuser, name) },
		Rebuild: func(ctx context.Context) error {
			r := projections.NewRebuild(projections.RebuildConfig{Log: s.store, Owner: b.owner, Models: projections.Models(), Progress: progress})
			if err := r.Run(ctx); err != nil {
				return err
			}
			return r.Swap(ctx)
		},
		Bill: b.bill,
	}
}

// bill runs billing as people do, in a process of its own, and gives the memory that it took at most, in bytes.
func (b *benched) bill(ctx context.Context, ledger uuid.UUID) (peak int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	c := b.installation.config
	args := []string{"billing", "run", "--data-dir", c.DataDir, "--ledger", ledger.String(), "-o", "json"}
	for flag, value := range map[string]string{"--pg-bin": c.PGBin, "--pg-cache": c.PGCache, "--pg-user": c.PGUser} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	var out bytes.Buffer
	run := exec.CommandContext(ctx, self, args...)
	run.Stdout, run.Stderr = &out, &out
	if err := run.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, fmt.Errorf("%w: %s", err, out.Bytes())
			}
			return peak, nil
		case <-time.After(20 * time.Millisecond): // what it was at most since its exec; its rusage has what this process had at the fork
			peak = max(peak, highWater(run.Process.Pid))
		}
	}
}

// highWater is the highest resident memory of a process, in bytes; 0 where the system does not say.
func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
