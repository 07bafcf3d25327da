package handlers

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/internal/apikey"
)

// The routes of access are for admin keys, whose ledger is the system ledger: organisations and keys
// are events there.
func (a *API) accessRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/organisations", Scope: ScopeAdmin, Serve: a.createOrganisation},
		{Method: "GET", Path: "/organisations", Scope: ScopeAdmin, Serve: a.listOrganisations},
		{Method: "GET", Path: "/organisations/{uuid}", Scope: ScopeAdmin, Serve: a.readOrganisation},
		{Method: "POST", Path: "/organisations/{uuid}/keys", Scope: ScopeAdmin, Serve: a.issueKey},
		{Method: "GET", Path: "/organisations/{uuid}/keys", Scope: ScopeAdmin, Serve: a.listKeys},
		{Method: "DELETE", Path: "/organisations/{uuid}/keys/{id}", Scope: ScopeAdmin, Serve: a.revokeKey},
		{Method: "POST", Path: "/organisations/{uuid}/keys/{id}/roll", Scope: ScopeAdmin, Serve: a.rollKey},
	}
}

// apiKey is a key on the wire. Secret is in the first answer alone: it is kept nowhere, so neither a
// replay nor a dry run has it.
type apiKey struct {
	ID           uuid.UUID  `json:"id"`
	Secret       string     `json:"secret,omitzero"`
	Organisation uuid.UUID  `json:"organisation"`
	LedgerUUID   uuid.UUID  `json:"ledgerUuid"`
	Mode         string     `json:"mode"`
	Name         string     `json:"name"`
	Hint         string     `json:"hint"`
	Scopes       []string   `json:"scopes"`
	Status       string     `json:"status"` // active, revoked, rolled, expired
	ExpiresAt    *time.Time `json:"expiresAt"`
	EndsAt       *time.Time `json:"endsAt"` // when it stops working, whatever the reason
	CreatedAt    time.Time  `json:"createdAt"`
}

func apiKeyOut(v organisation.KeyView) any {
	return apiKey{ID: v.ID, Organisation: v.Organisation, LedgerUUID: v.LedgerID, Mode: v.Mode, Name: v.Name, Hint: v.Hint,
		Scopes: v.Scopes, Status: v.Status, ExpiresAt: v.ExpiresAt, EndsAt: v.EndsAt, CreatedAt: v.CreatedAt}
}

// newKey executes a command that issues a key and answers the key with its secret.
func (a *API) newKey(w http.ResponseWriter, r *http.Request, body *Body, secret string, c domain.Command) error {
	v, res, err := write[organisation.KeyView](a, w, r, body, uuid.Nil, c)
	if err != nil {
		return err
	}
	out, _ := apiKeyOut(v).(apiKey)
	if !res.Replayed && !res.DryRun {
		out.Secret = secret
	}
	return JSON(w, http.StatusCreated, out)
}

// issueKey serves POST /organisations/{uuid}/keys.
//
//	in   {mode: live | test, name, scopes: [text], expiresAt?}
//	out  201 key with its secret, this once | 404 no_organisation | 422 bad_mode, bad_scope, bad_expiry
func (a *API) issueKey(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := organisation.IssueKey{Organisation: PathUUID(r, "uuid"), Mode: o.Enum("mode", []string{organisation.Live, organisation.Test}, Required),
		Name: o.String("name", Required), ExpiresAt: Opt(o, "expiresAt", o.Time)}
	for _, v := range o.List("scopes", Required, MaxItems(100)) {
		c.Scopes = append(c.Scopes, v.String(Required))
	}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	key, err := apikey.New(c.Mode, rand.Reader)
	if err != nil {
		return err
	}
	if c.KeyID, err = uuid.NewV7(); err != nil {
		return err
	}
	c.Hash, c.Hint = key.Hash[:], key.Hint
	return a.newKey(w, r, body, key.Secret, ofOrganisation{c, c.Organisation, "no_organisation"})
}

// ofOrganisation is a command on keys that knows no admin keys: those are made and ended at the command
// line. It refuses in Decide, after all that a request is asked before, so that their stream is told from no unknown one.
type ofOrganisation struct {
	domain.Command
	organisation uuid.UUID
	unknown      string // code of the refusal
}

func (c ofOrganisation) Decide(l domain.Ledger) (any, error) {
	if c.organisation == organisation.AdminKeys {
		return nil, domain.Refuse(domain.NotFound, c.unknown, "%s is not known here", c.organisation)
	}
	return c.Command.Decide(l)
}

// keysOf folds an organisation's keys, or refuses with no_organisation.
func (a *API) keysOf(w http.ResponseWriter, r *http.Request) ([]organisation.KeyView, error) {
	id := PathUUID(r, "uuid")
	if _, _, err := a.head(w, r); err != nil {
		return nil, err
	}
	state, _, err := a.Store.Fold(r.Context(), CallerOf(r).Ledger, id)
	if err != nil {
		return nil, err
	}
	s, ok := state.(*organisation.State)
	if !ok || s.Created == nil {
		return nil, domain.Refuse(domain.NotFound, "no_organisation", "%s is not known here", id)
	}
	return s.Keys(a.Now()), nil
}

// listKeys serves GET /organisations/{uuid}/keys, in the order of their issue, ended ones too.
//
//	in   limit, cursor
//	out  200 page of keys | 404 no_organisation
func (a *API) listKeys(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	k := a.keyset(q, r)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	keys, err := a.keysOf(w, r)
	if err != nil {
		return err
	}
	for i, v := range keys {
		if v.ID == k.After {
			keys = keys[i+1:]
			break
		}
	}
	return listPage(a, w, r, k, keys, func(v organisation.KeyView) uuid.UUID { return v.ID }, apiKeyOut)
}

// revokeKey serves DELETE /organisations/{uuid}/keys/{id}; it ends within a second.
//
//	out  200 key, also when it had ended | 404 no_key
func (a *API) revokeKey(w http.ResponseWriter, r *http.Request) error {
	body, err := emptyBody(r)
	if err != nil {
		return err
	}
	c := organisation.RevokeKey{Organisation: PathUUID(r, "uuid"), KeyID: PathUUID(r, "id")}
	v, _, err := write[organisation.KeyView](a, w, r, body, uuid.Nil, ofOrganisation{c, c.Organisation, "no_key"})
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, apiKeyOut(v))
}

// rollKey serves POST /organisations/{uuid}/keys/{id}/roll: a new key like the old one, which works on
// for the overlap.
//
//	in   {overlap?: duration, such as "24h", "PT24H" or a number of seconds; none by default}
//	out  201 the new key with its secret, this once | 404 no_key | 409 key_ended, already_rolled
func (a *API) rollKey(w http.ResponseWriter, r *http.Request) error {
	body, err := ReadOptional(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := organisation.RollKey{Organisation: PathUUID(r, "uuid"), KeyID: PathUUID(r, "id"), Overlap: readDuration(o.Get("overlap"))}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	unknown := domain.Refuse(domain.NotFound, "no_key", "%s is not known here", c.KeyID)
	if c.Organisation == organisation.AdminKeys {
		return unknown
	}
	state, _, err := a.Store.Fold(r.Context(), CallerOf(r).Ledger, c.Organisation)
	if err != nil {
		return err
	}
	s, ok := state.(*organisation.State)
	if !ok {
		return unknown
	}
	old, ok := s.Key(c.KeyID, a.Now())
	if !ok {
		return unknown
	}
	key, err := apikey.New(old.Mode, rand.Reader)
	if err != nil {
		return err
	}
	if c.NewKeyID, err = uuid.NewV7(); err != nil {
		return err
	}
	c.Hash, c.Hint = key.Hash[:], key.Hint
	return a.newKey(w, r, body, key.Secret, c)
}

// isoDuration is the part of ISO 8601's durations that has a fixed length.
// The digits together stay within what a duration holds.
var isoDuration = regexp.MustCompile(`^P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?$`)

// readDuration takes seconds as a number, Go's notation, or ISO 8601 without months and years.
func readDuration(v Value) time.Duration {
	if v.Absent() {
		return 0
	}
	if v.node.kind == '0' {
		return time.Duration(v.Int(Min(0), Max(1<<31))) * time.Second
	}
	s := v.String(MaxBytes(50))
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d
	}
	m := isoDuration.FindStringSubmatch(s)
	if m == nil || s == "P" || s[len(s)-1] == 'T' {
		v.Bad("bad_duration", `is no duration: want "24h", "PT24H" or a number of seconds`)
		return 0
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, err := strconv.Atoi(m[i+1])
		if err == nil {
			d += time.Duration(n) * unit
		}
	}
	return d
}
