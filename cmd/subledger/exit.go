package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/embeddedpg"
)

// Exit statuses; docs/running.md lists them for scripts.
const (
	exitDone        = 0
	exitFault       = 1   // something failed that should not
	exitUsage       = 2   // wrong flags or environment; nothing was opened
	exitPostgres    = 3   // serve: PostgreSQL is gone for good
	exitRefused     = 4   // not as things are: wrong master key, directory in use, not set up, live data there
	exitBad         = 5   // verify, projections check: the data is not as it should be
	exitUnsound     = 6   // doctor: something is wrong
	exitInterrupted = 130 // SIGINT or SIGTERM before the end
)

const exitHelp = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 PostgreSQL gone, 4 refused, 5 bad data found, " +
	"6 doctor found faults, 130 interrupted."

// status is an error with an exit status of its own. Next says what to do about it, in one line or
// more; it may be empty.
type status struct {
	code int
	err  error
	next string
}

func (s *status) Error() string { return s.err.Error() }
func (s *status) Unwrap() error { return s.err }

func refused(next, format string, args ...any) error {
	return &status{code: exitRefused, err: fmt.Errorf(format, args...), next: next}
}

// report prints an error of a command and returns the exit status that it stands for.
func report(ctx context.Context, p *process, command string, err error) int {
	if err == nil {
		return exitDone
	}
	exit, next := exitFault, ""
	var s *status
	switch refusal, ok := domain.AsRefusal(err); {
	case errors.As(err, &s):
		exit, next = s.code, s.next
		if exit == exitUsage {
			next = strings.TrimPrefix(next+"\nSee: "+command+" --help", "\n")
		}
	case errors.Is(err, embeddedpg.ErrInUse), errors.Is(err, embeddedpg.ErrNoPrograms):
		exit = exitRefused
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		exit, err = exitInterrupted, errors.New("interrupted")
	case ok && refusal.Kind == domain.Unavailable:
		err, next = refusal, "Try again in a moment."
	case ok:
		exit, err = exitRefused, refusal
	case code(err) == "42501":
		next = "The role lacks rights. Run as the database's owner: subledger migrate up\nWhich ones it lacks: subledger doctor"
	}
	if err.Error() != "" {
		fmt.Fprintf(p.stderr, "subledger: %s\n", printable(err.Error()))
	}
	if next != "" {
		fmt.Fprintf(p.stderr, "  %s\n", strings.ReplaceAll(next, "\n", "\n  "))
	}
	return exit
}
