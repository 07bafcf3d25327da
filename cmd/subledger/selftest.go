package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/internal/faults"
	"github.com/subledger/subledger/internal/selftest"
	"github.com/subledger/subledger/projections"
)

type selftestCommands struct {
	Check selftestCheck `cmd:"" help:"Hold the database against everything that must always be true of it."`
}

type selftestCheck struct {
	Database
	Output
	Ledger  []uuid.UUID `placeholder:"UUID" help:"Only these ledgers. Default: all."`
	Journal []string    `type:"existingfile" placeholder:"FILE" help:"Journals of clients: what was acknowledged must be there once, and nothing else."`
}

func (c *selftestCheck) Validate() error { return c.validate() }

func (c *selftestCheck) Run(ctx context.Context, p *process) (err error) {
	o := selftest.Options{Ledgers: c.Ledger}
	for _, file := range c.Journal {
		entries, err := faults.ReadJournal(file)
		if err != nil {
			return &status{code: exitUsage, err: err, next: "A journal has one line of JSON for each command sent and for each answer."}
		}
		if len(entries) == 0 {
			return &status{code: exitUsage, err: fmt.Errorf("--journal: %s has no command", file), next: "A journal has one line of JSON for each command sent and for each answer."}
		}
		o.Journal = append(append([]*faults.Entry{}, o.Journal...), entries...)
	}
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	owner, err := s.installation.pool(ctx, s.owner)
	if err != nil {
		return err
	}
	defer owner.Close()
	if err := known(ctx, owner, c.Ledger); err != nil {
		return err
	}
	bar := p.progress("selftest")
	o.Progress = bar.at
	o.Projections = func(ctx context.Context) ([]selftest.Breach, int64, error) { return s.replay(ctx, p) }
	all, err := selftest.Check(ctx, owner, o)
	bar.end()
	if err != nil {
		if !c.json() && selftest.Broken(all) > 0 { // what was found until then
			c.tell(p, all)
		}
		return err
	}
	if c.json() {
		err = p.writeJSON(all)
	} else {
		c.tell(p, all)
	}
	if n := selftest.Broken(all); err == nil && n > 0 {
		err = &status{code: exitBad, err: fmt.Errorf("%s broken", count(int64(n), "invariant")), next: "What to do stands below each of them."}
	}
	return err
}

func (c *selftestCheck) tell(p *process, all []selftest.Finding) {
	var rows [][]string
	for _, f := range all {
		state, name, checked := "holds", f.Name, strconv.FormatInt(f.Checked, 10)+" "+f.What
		switch {
		case f.Skipped != "":
			state, name, checked = "not checked", name+": "+f.Skipped, ""
		case len(f.Breaches) > 0:
			state = "BROKEN"
		}
		rows = append(rows, []string{strconv.Itoa(f.Number), state, checked, name})
	}
	lines := tableLines([]string{"no", "state", "looked at", "invariant"}, rows, 0)
	for _, line := range lines {
		fmt.Fprintln(p.stdout, hang(line, strings.Index(lines[0], "invariant"), p.width()))
	}
	hold := 0
	for _, f := range all {
		if f.Skipped == "" && len(f.Breaches) == 0 {
			hold++
		}
	}
	fmt.Fprintf(p.stdout, "\n%d hold, %d broken, %d not checked\n", hold, selftest.Broken(all), len(all)-hold-selftest.Broken(all))
	for _, f := range all {
		if len(f.Breaches) == 0 {
			continue
		}
		fmt.Fprintf(p.stdout, "\n%d. %s:\n", f.Number, f.Name)
		for _, b := range f.Breaches {
			fmt.Fprintf(p.stdout, "  %s\n", printable(b.String()))
		}
		fmt.Fprintf(p.stdout, "  %s\n", f.Advice)
	}
}

// replay compares the read models with a full replay. A log that cannot be replayed is a breach.
func (s *session) replay(ctx context.Context, p *process) ([]selftest.Breach, int64, error) {
	r, names, done, err := s.rebuild(ctx, p, "replay", nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, 0, err
		}
		return []selftest.Breach{{Problem: "the log cannot be replayed: " + err.Error()}}, 0, nil
	}
	defer done()
	var found []selftest.Breach
	err = s.project(ctx, s.store, func(*projections.Applied) error {
		all, err := r.Check(ctx)
		for _, d := range all {
			row, live, should := inColumns(d)
			found = append(found, selftest.Breach{Ledger: d.Ledger, Problem: fmt.Sprintf("%s %s: there is %s, and should be %s", d.Table, row, shorten(live, 300), shorten(should, 300))})
		}
		return err
	})
	if errors.Is(err, projections.ErrAhead) {
		found, err = append(found, selftest.Breach{Problem: err.Error()}), nil
	}
	return found, int64(len(names)), errors.Join(err, r.Drop(context.WithoutCancel(ctx)))
}
