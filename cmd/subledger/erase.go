package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/term"
)

type eraseCommand struct {
	Database
	Output
	Ledger  `embed:""`
	Subject []string `required:"" sep:"none" placeholder:"KIND:ID" help:"Who, such as grantee:dora; more than one may be given."`
	Yes     bool     `help:"Erase without asking."`
}

// subjects are what a personal value can be about, as the domain names them, and what the id is of.
var subjects = []struct{ kind, is string }{
	{"grantee", "who holds a licence or a seat"},
	{"owner", "who bought: owner, purchaser or member, with their e-mail addresses"},
	{"email", "an address that was given without an owner"},
	{"customer", "the id of a customer, with name, e-mail addresses and postal address"},
	{"rbac_user", "the id of an RBAC user"},
}

func (c *eraseCommand) Help() string {
	text := "It cannot be undone. Everything that history says of the subjects becomes unreadable, the hash chain stays right, and the read models are\n" +
		"made anew. Kinds of subjects:\n"
	for _, s := range subjects {
		text += fmt.Sprintf("\n  %-10s %s", s.kind, s.is)
	}
	return text
}

func (c *eraseCommand) Validate() error {
	for _, subject := range c.Subject {
		kind, id, _ := strings.Cut(subject, ":")
		known := slices.ContainsFunc(subjects, func(s struct{ kind, is string }) bool { return s.kind == kind })
		if !known || id == "" {
			return fmt.Errorf("--subject: want grantee:, owner:, email:, customer: or rbac_user: and an id, not %q", subject)
		}
	}
	return errors.Join(c.contradiction(), c.validate())
}

// erased is what became of one subject.
type erased struct {
	Subject   string `json:"subject"`
	Destroyed int64  `json:"destroyed"` // keys, now
	Before    int64  `json:"before"`    // keys that were destroyed earlier
}

// Run may be begun again after an interruption: the read models are made anew even if the keys are gone already.
func (c *eraseCommand) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	ledger, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	name, other := c.name()
	var keys int64
	all := []erased{}
	for _, subject := range c.Subject {
		e := erased{Subject: subject}
		if e.Destroyed, e.Before, err = s.store.SubjectKeys(ctx, ledger, subject); err != nil {
			return err
		}
		if e.Destroyed+e.Before == 0 {
			return refused(other, "%s knows nothing of %s", name, subject)
		}
		all, keys = append(all, e), keys+e.Destroyed
	}
	if err := c.confirm(p, fmt.Sprintf("Destroy %s of %s in %s? This cannot be undone.", count(keys, "key"), strings.Join(c.Subject, ", "), name)); err != nil {
		return err
	}
	for i := range all {
		if all[i].Destroyed, err = s.store.EraseSubject(ctx, ledger, all[i].Subject); err != nil {
			return err
		}
	}
	if err := s.forgetErased(ctx, p); err != nil {
		return fmt.Errorf("the keys are destroyed, but read models still have plain text; run it again: %w", err)
	}
	if c.json() {
		return p.writeJSON(struct {
			Ledger  uuid.UUID `json:"ledgerUuid"`
			Erased  []erased  `json:"erased"`
			Rebuilt []string  `json:"rebuilt"` // read models
		}{ledger, all, modelNames()})
	}
	var rows [][]string
	for _, e := range all {
		rows = append(rows, []string{e.Subject, fmt.Sprint(e.Destroyed), fmt.Sprint(e.Before)})
	}
	p.writeTable([]string{"erased", "keys destroyed", "destroyed before"}, rows)
	_, err = fmt.Fprintf(p.stdout, "%s made anew\n", count(int64(len(modelNames())), "read model"))
	return err
}

// forgetErased makes the read models anew from what can still be read, and lets PostgreSQL overwrite the keys' old rows.
func (s *session) forgetErased(ctx context.Context, p *process) error {
	r, _, done, err := s.rebuild(ctx, p, "make the read models anew", nil)
	if err != nil {
		return err
	}
	defer done()
	if err := r.Swap(ctx); err != nil {
		return err
	}
	_, err = r.Owner.Exec(ctx, `vacuum subject_keys`)
	return err
}

// confirm asks on a terminal; elsewhere nobody can be asked.
func (c *eraseCommand) confirm(p *process, question string) error {
	if c.Yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return &status{code: exitUsage, err: errors.New("there is no terminal to ask at"), next: "To erase without being asked: --yes"}
	}
	fmt.Fprintf(p.stderr, "%s\nType yes to go on: ", printable(question))
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return refused("", "nothing was erased")
	}
	return nil
}
