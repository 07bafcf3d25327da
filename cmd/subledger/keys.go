package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/apikey"
)

type keysCommands struct {
	Create keysCreate `cmd:"" help:"Make an API key; its secret is shown once."`
	List   keysList   `cmd:"" help:"List API keys, without their secrets."`
	Roll   keysRoll   `cmd:"" help:"Make a successor of a key, which goes on working for a while."`
	Revoke keysRevoke `cmd:"" help:"End a key now. A running server may take it for one second more."`
}

// shownKey is an organisation.KeyView on the wire, with the names that HTTP has for it.
type shownKey struct {
	ID           uuid.UUID  `json:"id"`
	Organisation uuid.UUID  `json:"organisation"`
	LedgerID     uuid.UUID  `json:"ledgerUuid"`
	Mode         string     `json:"mode"` // live, test, admin: as --mode
	Name         string     `json:"name"`
	Hint         string     `json:"hint"`
	Scopes       []string   `json:"scopes"`
	Status       string     `json:"status"`
	ExpiresAt    *time.Time `json:"expiresAt"`
	EndsAt       *time.Time `json:"endsAt"` // when it stops working, whatever the reason
	CreatedAt    time.Time  `json:"createdAt"`
}

func shown(k organisation.KeyView) shownKey {
	if k.Mode == organisation.System {
		k.Mode = adminMode
	}
	return shownKey(k)
}

// adminMode is what people call the mode of the installation's own keys.
const adminMode = "admin"

// issuedKey is a key as a subcommand shows it. The secret is there right after its making alone.
type issuedKey struct {
	shownKey
	Secret string `json:"secret,omitzero"`
}

type keysCreate struct {
	Database
	Output
	Organisation uuid.UUID      `placeholder:"ID" help:"Whose key, if there is more than one organisation."`
	Mode         string         `required:"" enum:"live,test,admin" placeholder:"live|test|admin" help:"Which ledger it opens: live, test, or admin for the installation's own."`
	Name         string         `default:"cli" help:"A name to tell keys apart."`
	Scopes       []string       `help:"Default: all that the mode allows."`
	ExpiresIn    *time.Duration `placeholder:"720h" help:"Default: never."`
}

func (c *keysCreate) Validate() error {
	if c.Mode == adminMode && c.Organisation != uuid.Nil {
		return errors.New("an admin key belongs to no organisation; leave out --organisation")
	}
	if c.ExpiresIn != nil && *c.ExpiresIn <= 0 {
		return errors.New("--expires-in is more than 0; leave it out for a key that does not expire")
	}
	for _, scope := range c.Scopes {
		known, ok := organisation.CanonicalScope(scope)
		switch {
		case slices.Contains(c.fitting(), known):
		case c.Mode == adminMode:
			return fmt.Errorf("--scopes: an admin key has the scope %s alone; leave out --scopes", organisation.AdminScope)
		case ok:
			return fmt.Errorf("--scopes: the scope %s is of admin keys, which belong to no organisation: --mode admin", known)
		default:
			return fmt.Errorf("--scopes: there is no scope %q; a %s key may have %s", scope, c.Mode, strings.Join(c.fitting(), " "))
		}
	}
	return c.validate()
}

// fitting are the scopes that a key of the mode may have.
func (c *keysCreate) fitting() []string {
	return slices.DeleteFunc(organisation.Scopes(), func(scope string) bool { return (scope == organisation.AdminScope) != (c.Mode == adminMode) })
}

func (c *keysCreate) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	cmd := organisation.IssueKey{Organisation: organisation.AdminKeys, Mode: organisation.System, Name: c.Name, Scopes: c.Scopes}
	if c.Mode != adminMode {
		org, err := s.organisation(ctx, c.Organisation)
		if err != nil {
			return err
		}
		cmd.Organisation, cmd.Mode = org.ID, c.Mode
	}
	if len(cmd.Scopes) == 0 {
		cmd.Scopes = c.fitting()
	}
	if c.ExpiresIn != nil {
		at := time.Now().Add(*c.ExpiresIn)
		cmd.ExpiresAt = &at
	}
	key, id, err := newSecret(cmd.Mode)
	if err != nil {
		return err
	}
	cmd.KeyID, cmd.Hash, cmd.Hint = id, key.Hash[:], key.Hint
	return s.showKey(ctx, p, c.Output, cmd, key.Secret)
}

func newSecret(mode string) (apikey.Key, uuid.UUID, error) {
	key, err := apikey.New(mode, rand.Reader)
	if err != nil {
		return key, uuid.Nil, err
	}
	id, err := uuid.NewV7()
	return key, id, err
}

// showKey runs a command of the system ledger that answers a key, and prints it.
func (s *session) showKey(ctx context.Context, p *process, out Output, cmd domain.Command, secret string) error {
	r, err := s.store.Execute(ctx, eventstore.Request{Ledger: s.store.SystemLedger(), Command: cmd, Meta: eventstore.Meta{Actor: "cli"}})
	if err != nil {
		return err
	}
	var view organisation.KeyView
	if err := json.Unmarshal(r.Answer, &view); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	k := issuedKey{shown(view), secret}
	if out.json() {
		return p.writeJSON(k)
	}
	if secret != "" {
		p.say("Keep the secret now: it is shown this once.")
		p.writeTable(nil, [][]string{{"secret", secret}})
	}
	p.writeTable(keyHeader, [][]string{k.row()})
	return nil
}

var keyHeader = []string{"id", "mode", "name", "hint", "status", "ends", "scopes", "organisation"}

func (k shownKey) row() []string {
	org, ends, scopes := k.Organisation.String(), "", strings.Join(k.Scopes, " ")
	if k.Organisation == organisation.AdminKeys {
		org = ""
	}
	if k.EndsAt != nil {
		ends = k.EndsAt.Format(time.RFC3339)
	}
	if len(k.Scopes) > 3 {
		scopes = fmt.Sprintf("%s and %d more", strings.Join(k.Scopes[:2], " "), len(k.Scopes)-2)
	}
	return []string{k.ID.String(), k.Mode, k.Name, k.Hint, k.Status, ends, scopes, org}
}

type keysList struct {
	Database
	Output
	Organisation uuid.UUID `placeholder:"ID" help:"Only this one's. Default: all, and the admin keys."`
}

func (c *keysList) Validate() error { return c.validate() }

func (c *keysList) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	holders := []uuid.UUID{c.Organisation}
	if c.Organisation == uuid.Nil {
		holders = []uuid.UUID{organisation.AdminKeys}
		all, err := s.organisations(ctx)
		if err != nil {
			return err
		}
		for _, o := range all {
			holders = append(holders, o.id)
		}
	}
	keys, rows := []shownKey{}, [][]string{}
	for _, id := range holders {
		state, _, err := s.store.Fold(ctx, s.store.SystemLedger(), id)
		if err != nil {
			return err
		}
		org, ok := state.(*organisation.State)
		if !ok && c.Organisation != uuid.Nil {
			return refused("See: subledger keys list", "there is no organisation %s", id)
		}
		if !ok { // no admin key yet
			continue
		}
		for _, k := range org.Keys(time.Now()) {
			keys, rows = append(keys, shown(k)), append(rows, shown(k).row())
		}
	}
	if c.json() {
		return p.writeJSON(keys)
	}
	p.writeTable(keyHeader, rows)
	return nil
}

type keysRoll struct {
	Database
	Output
	ID      uuid.UUID     `arg:"" help:"Id of the key."`
	Overlap time.Duration `default:"24h" help:"How long the old key goes on working: 0 to 720h."`
}

func (c *keysRoll) Validate() error {
	if c.Overlap < 0 || c.Overlap > organisation.MaxOverlap {
		return fmt.Errorf("--overlap is 0 to %s", organisation.MaxOverlap)
	}
	return c.validate()
}

func (c *keysRoll) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	holder, mode, err := s.holder(ctx, c.ID)
	if err != nil {
		return err
	}
	key, id, err := newSecret(mode)
	if err != nil {
		return err
	}
	return s.showKey(ctx, p, c.Output, organisation.RollKey{Organisation: holder, KeyID: c.ID, NewKeyID: id,
		Hash: key.Hash[:], Hint: key.Hint, Overlap: c.Overlap}, key.Secret)
}

type keysRevoke struct {
	Database
	Output
	ID uuid.UUID `arg:"" help:"Id of the key."`
}

func (c *keysRevoke) Validate() error { return c.validate() }

func (c *keysRevoke) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	holder, _, err := s.holder(ctx, c.ID)
	if err != nil {
		return err
	}
	return s.showKey(ctx, p, c.Output, organisation.RevokeKey{Organisation: holder, KeyID: c.ID}, "")
}

// holder finds whose a key is: an organisation's, or the installation's own.
func (s *session) holder(ctx context.Context, key uuid.UUID) (holder uuid.UUID, mode string, err error) {
	var org *uuid.UUID
	err = s.pool.QueryRow(ctx, `select organisation_id, mode from api_keys where key_id = $1`, key).Scan(&org, &mode)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return holder, mode, refused("See: subledger keys list", "there is no key %s", key)
	case err != nil:
		return holder, mode, fmt.Errorf("look for key %s: %w", key, err)
	case org == nil:
		return organisation.AdminKeys, mode, nil
	}
	return *org, mode, nil
}
