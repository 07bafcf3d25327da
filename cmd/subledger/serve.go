package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/faults"
)

type serveCommand struct {
	Database
	Output
	Listen        string        `env:"SUBLEDGER_LISTEN" default:"127.0.0.1:8080" help:"Address and port of the API, of health and of metrics. Port 0 takes a free one."`
	PublicURL     string        `env:"SUBLEDGER_PUBLIC_URL" help:"Where clients reach this server, such as https://billing.example.com, for links to its pages. By default as each request knows it."`
	Roles         []string      `env:"SUBLEDGER_ROLES" default:"api,projector,reactor" enum:"api,projector,reactor" help:"What this process does: api, projector, reactor."`
	Connections   int           `env:"SUBLEDGER_CONNECTIONS" default:"48" help:"Connections to the database at most, all pools together; at least 6."`
	RateLimit     float64       `env:"SUBLEDGER_RATE_LIMIT" default:"1000" help:"Requests per second and API key; 0 for no limits, of keys and addresses."`
	Drain         time.Duration `env:"SUBLEDGER_DRAIN" default:"20s" help:"How long running requests may take to finish at the end."`
	LogLevel      slog.Level    `env:"SUBLEDGER_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	AccessLog     bool          `env:"SUBLEDGER_ACCESS_LOG" help:"Log every request."`
	Demo          bool          `env:"SUBLEDGER_DEMO" default:"true" negatable:"" help:"Make a demo organisation in a new private database, and tell its keys."`
	AcceptRestore bool          `help:"Go on with a database that lacks what was acknowledged, and record that."`
	FaultPoints   string        `env:"SUBLEDGER_FAULT_POINTS" hidden:"" help:"Fail on purpose at named steps; for test ledgers only (docs/faults.md)."`

	points *faults.Points // of FaultPoints
}

func (c *serveCommand) Validate() error {
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: want an address and a port, such as 127.0.0.1:8080: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("--listen: the port is a number from 0 to 65535, not %q", port)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" || u.Path != "") {
		return fmt.Errorf("--public-url: want an address such as https://billing.example.com, not %q", c.PublicURL)
	}
	switch {
	case c.Connections < 6:
		return errors.New("--connections: 6 is the least that the pools need")
	case c.RateLimit < 0:
		return errors.New("--rate-limit is 0 or more")
	case c.Drain < 0:
		return errors.New("--drain is 0 or more")
	case len(c.Roles) == 0:
		return errors.New("--roles: name one or more of api, projector, reactor")
	}
	if c.FaultPoints != "" {
		if c.points, err = faults.ParsePoints(c.FaultPoints); err != nil {
			return err
		}
	}
	return c.validate()
}

func (c *serveCommand) has(role string) bool { return slices.Contains(c.Roles, role) }

// started is what the one block tells.
type started struct {
	Address      string     `json:"address"`
	Database     string     `json:"database"`
	NewKey       string     `json:"newMasterKey,omitzero"` // its file, when it was made just now
	Organisation *uuid.UUID `json:"organisation,omitzero"` // the demo's
	Keys         *demoKeys  `json:"keys,omitzero"`         // those of the demo that still work
}

func (c *serveCommand) Run(ctx context.Context, p *process) (err error) {
	// Nothing but the block is printed until the server is up, unless something is wrong.
	level := new(slog.LevelVar)
	level.Set(max(c.LogLevel, slog.LevelWarn))
	log := slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	listener, err := c.listen()
	if err != nil {
		return err
	}
	defer listener.Close() // the server did, if it came that far
	in, err := c.openToServe(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(context.WithoutCancel(ctx))) }()
	s := &server{config: c, installation: in, log: log, listener: listener}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := c.announce(p, s.told); err != nil {
		return err
	}
	level.Set(c.LogLevel)
	log.Info("ready", "address", s.told.Address, "roles", c.Roles, "version", thisBuild().Version)
	return s.wait(ctx)
}

// listen comes before the database, so that a port in use is not found after a minute's work.
func (c *serveCommand) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, &status{code: exitRefused, err: fmt.Errorf("listen on %s: %w", c.Listen, err), next: "Does another subledger run there? If not, choose another address: --listen or SUBLEDGER_LISTEN"}
	}
	return listener, nil
}

// openToServe is Database.open for a process that stays: it never joins another one's PostgreSQL.
func (c *serveCommand) openToServe(ctx context.Context, log *slog.Logger) (*installation, error) {
	if c.URL != "" {
		return c.open(ctx, true)
	}
	in := &installation{config: c.Database, embedded: true}
	if err := in.start(ctx, log); err != nil {
		return nil, closedDirectory(errors.Join(err, in.close(ctx)))
	}
	return in, nil
}

func (c *serveCommand) announce(p *process, t started) error {
	if c.json() {
		return p.writeJSON(t)
	}
	lines := []string{"subledger is ready"}
	line := func(name, text string) { lines = append(lines, fmt.Sprintf("  %-9s %s", name, text)) }
	line("address", t.Address)
	line("database", t.Database)
	if t.NewKey != "" {
		line("", "new master key in "+t.NewKey+": keep a copy elsewhere")
	}
	switch {
	case t.Keys != nil:
		line("keys", "of the demo organisation "+t.Organisation.String())
		for _, k := range [][2]string{{"test", t.Keys.Test}, {"live", t.Keys.Live}, {"admin", t.Keys.Admin}} {
			if k[1] != "" {
				line("", fmt.Sprintf("%-6s %s", k[0], k[1]))
			}
		}
	default:
		line("keys", "make one with: subledger keys create --mode admin")
	}
	_, err := fmt.Fprintln(p.stdout, printable(strings.Join(lines, "\n")))
	return err
}

// welcome makes the demo of a new private database and tells which of its keys still work.
func (s *server) welcome(ctx context.Context) error {
	if !s.config.Demo {
		return nil
	}
	system := s.store.SystemLedger()
	state, _, err := s.store.Fold(ctx, system, demoOrganisation(s.store.Master(), 1))
	if err != nil {
		return err
	}
	if state == nil {
		if !s.embedded {
			return nil
		}
		if any, err := anyOrganisation(ctx, s.store, func(eventstore.Meta) bool { return true }); err != nil || any {
			return err
		}
	}
	// Made before, this only reads the answers; interrupted, it is completed.
	d, err := makeDemo(ctx, s.store, 1)
	if err != nil {
		return err
	}
	s.told.Organisation, s.told.Keys = &d.Organisation, &d.Keys
	for _, k := range []struct {
		secret *string
		mode   string
		holder uuid.UUID
	}{{&d.Keys.Live, organisation.Live, d.Organisation}, {&d.Keys.Test, organisation.Test, d.Organisation}, {&d.Keys.Admin, organisation.System, organisation.AdminKeys}} {
		state, _, err := s.store.Fold(ctx, system, k.holder)
		if err != nil {
			return err
		}
		org, ok := state.(*organisation.State)
		if !ok {
			return fmt.Errorf("%s is no organisation", k.holder)
		}
		if v, _ := org.Key(derivedID(s.store.Master(), 1, "key "+k.mode), time.Now()); v.Status != organisation.KeyActive {
			*k.secret = ""
		}
	}
	return nil
}
