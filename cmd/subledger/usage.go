package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

type usageCommands struct {
	Import usageImport `cmd:"" help:"Record usage from a CSV file."`
}

type usageImport struct {
	Database
	Output
	Ledger  `embed:""`
	File    string `arg:"" help:"A CSV file, or - for the standard input."`
	Rejects string `placeholder:"FILE" help:"Where rejected rows are listed, in place of what is there. Default: beside the file, with .rejects.csv, or .rejects.2.csv and so on where that is there already; from the standard input on the standard output."`
}

func (c *usageImport) Help() string {
	return "The first line names the columns, in any order: key, quantity, and license, subscription, or grantee with plan; at, meter and value if need be.\n" +
		"A key counts once for ever: what was interrupted is run again as it was, and rows that were recorded already are counted as duplicates.\n" +
		"Rows count in the order of the file. Rejected ones are listed with their line and the reason, and make the exit status 5."
}

func (c *usageImport) Validate() error { return errors.Join(c.contradiction(), c.validate()) }

// imported is what became of a file.
type imported struct {
	Ledger      uuid.UUID  `json:"ledgerUuid"`
	Rows        int64      `json:"rows"`
	Recorded    int64      `json:"recorded"`
	Duplicates  int64      `json:"duplicates"`
	Rejected    int64      `json:"rejected"`
	Seconds     float64    `json:"seconds"`
	RejectsFile *string    `json:"rejectsFile"` // nil: there is none
	Rejects     []rejected `json:"rejects"`     // the first of them
	unknown     int64      // rows that name what the ledger does not have
}

// rejected is a row that was not recorded.
type rejected struct {
	Line   int    `json:"line"`
	Key    string `json:"key"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// mostRejects is how many rejected rows an answer in JSON lists.
const mostRejects = 1000

// Run may be interrupted at any moment and begun again.
func (c *usageImport) Run(ctx context.Context, p *process) error {
	in, total := io.Reader(os.Stdin), int64(0)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return &status{code: exitUsage, err: err}
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil {
			total = info.Size()
		}
		in = file
	}
	rows, err := openUsage(in)
	if err != nil {
		return &status{code: exitUsage, err: fmt.Errorf("%s: %w", c.File, err)}
	}
	return c.reading(ctx, c.Database, func(s *session, ledger uuid.UUID, reader *pgxpool.Pool) error {
		return c.record(ctx, p, s, ledger, reader, rows, total)
	})
}

// record records the rows; total is how many bytes they are, 0 if nobody knows.
func (c *usageImport) record(ctx context.Context, p *process, s *session, ledger uuid.UUID, reader *pgxpool.Pool, rows *usageFile, total int64) error {
	list := &rejectsList{path: c.Rejects, stdout: p.stdout, silent: c.json()}
	if c.File != "-" {
		list.beside = c.File
	}
	bar := p.progress("import")
	out := imported{Ledger: ledger, Rejects: []rejected{}}
	began := time.Now()
	err := s.project(ctx, s.store, func(applied *projections.Applied) error {
		api := handlers.NewAPI(s.store, projections.NewReads(reader, applied, s.store.Acknowledged), time.Now, nil, nil)
		return importUsage(ctx, api, ledger, rows, func(batch []usageRow, results []handlers.UsageResult, read int64) error {
			bar.at(read, total)
			return out.take(batch, results, list)
		})
	})
	bar.end()
	if err = errors.Join(err, list.close()); err != nil {
		return err
	}
	if err := s.catchUp(ctx, s.store, ledger); err != nil {
		return err
	}
	out.Seconds = time.Since(began).Seconds()
	if list.file != nil {
		name := list.file.Name()
		out.RejectsFile = &name
	}
	return c.tell(p, out)
}

func (c *usageImport) tell(p *process, out imported) error {
	var err error
	if c.json() {
		err = p.writeJSON(out)
	} else {
		_, err = fmt.Fprintf(p.stdout, "%s: %d recorded, %d duplicates, %d rejected\n", count(out.Rows, "row"), out.Recorded, out.Duplicates, out.Rejected)
	}
	if err != nil || out.Rejected == 0 {
		return err
	}
	bad := &status{code: exitBad, err: fmt.Errorf("%s rejected", count(out.Rejected, "row"))}
	var next []string
	if out.RejectsFile != nil {
		next = append(next, "See: "+*out.RejectsFile)
	}
	if out.unknown == out.Rows {
		name, other := c.name()
		bad.err = fmt.Errorf("%w: %s knows nothing that they name", bad.err, name)
		if other != "" {
			next = append(next, other)
		}
	}
	bad.next = strings.Join(next, "\n")
	return bad
}

// importUsage records all rows in their order: the next batch is read and checked while one is written, but not
// decided before it.
func importUsage(ctx context.Context, api *handlers.API, ledger uuid.UUID, rows *usageFile, took func([]usageRow, []handlers.UsageResult, int64) error) error {
	type batch struct {
		rows []usageRow
		body []byte
		read int64
	}
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan batch, 2)
	g.Go(func() error {
		defer close(batches)
		for end := false; !end; {
			b := batch{rows: make([]usageRow, 0, usage.MaxItems)}
			for len(b.rows) < usage.MaxItems && !end {
				row, err := rows.row()
				if end = errors.Is(err, io.EOF); err != nil && !end {
					return fmt.Errorf("read line %d: %w", rows.line, err)
				}
				if !end {
					b.rows = append(b.rows, row)
				}
			}
			if len(b.rows) == 0 {
				return nil
			}
			var err error
			if b.body, err = body(b.rows); err != nil {
				return err
			}
			b.read = rows.read
			select {
			case batches <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for b := range batches {
			results, err := recordPatiently(ctx, api, ledger, b.body)
			if err != nil {
				return err
			}
			if err := took(b.rows, results, b.read); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// busyTime is how long a batch is tried again while the ledger is busy.
const busyTime = time.Minute

func recordPatiently(ctx context.Context, api *handlers.API, ledger uuid.UUID, body []byte) ([]handlers.UsageResult, error) {
	began := time.Now()
	for {
		results, err := api.RecordUsage(ctx, ledger, body, eventstore.Meta{Actor: "cli"})
		if e, ok := domain.AsRefusal(err); !ok || e.Kind != domain.Unavailable || time.Since(began) > busyTime {
			return results, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// unknown are the codes of rows that name what the ledger does not have.
var unknown = []string{"no_license", "no_meter"}

// take counts what became of a batch.
func (o *imported) take(rows []usageRow, results []handlers.UsageResult, list *rejectsList) error {
	for i, r := range results {
		o.Rows++
		switch r.Status {
		case usage.StatusRecorded:
			o.Recorded++
			continue
		case usage.StatusDuplicate:
			o.Duplicates++
			continue
		}
		o.Rejected++
		bad := rejected{Line: rows[i].line, Key: rows[i].key}
		if r.Error != nil {
			bad.Code, bad.Detail = r.Error.Code, r.Error.Detail
		}
		if rows[i].bad != "" {
			bad.Code, bad.Detail = "bad_line", rows[i].bad
		}
		if slices.Contains(unknown, bad.Code) {
			o.unknown++
		}
		if len(o.Rejects) < mostRejects {
			o.Rejects = append(o.Rejects, bad)
		}
		if err := list.add(bad); err != nil {
			return err
		}
	}
	return nil
}

// rejectsList writes rejected rows down, to a file that is made for the first of them or to the standard output.
type rejectsList struct {
	path   string // empty: beside the file that is read
	beside string // empty: the standard output
	stdout io.Writer
	silent bool // the standard output is for an answer in JSON
	file   *os.File
	csv    *csv.Writer
}

func (l *rejectsList) add(r rejected) error {
	if l.csv == nil {
		to := l.stdout
		switch {
		case l.path != "" || l.beside != "":
			var err error
			if l.file, err = l.open(); err != nil {
				return err
			}
			to = l.file
		case l.silent:
			return nil
		}
		l.csv = csv.NewWriter(to)
		if err := l.csv.Write([]string{"line", "key", "code", "detail"}); err != nil {
			return err
		}
	}
	return l.csv.Write([]string{strconv.Itoa(r.Line), unlessNumber(printable(r.Key)), r.Code, unlessNumber(printable(r.Detail))})
}

var aNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)

// unlessNumber keeps a cell from being taken for a formula. A number is none, and a key that is one is looked for as it is.
func unlessNumber(s string) string {
	if aNumber.MatchString(s) {
		return s
	}
	return handlers.PlainText(s)
}

// open makes the file. One that nobody has named takes no other's place: that may be what another run has rejected.
func (l *rejectsList) open() (*os.File, error) {
	if l.path != "" {
		return os.Create(l.path)
	}
	for n := 1; ; n++ {
		name := l.beside + ".rejects.csv"
		if n > 1 {
			name = fmt.Sprintf("%s.rejects.%d.csv", l.beside, n)
		}
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
}

func (l *rejectsList) close() error {
	if l.csv == nil {
		return nil
	}
	l.csv.Flush()
	err := l.csv.Error()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}
