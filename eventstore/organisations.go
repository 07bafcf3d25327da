package eventstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/organisation"
)

const organisationColumns = `select organisation_id, name, currency, time_zone, live_ledger_id, test_ledger_id, created_at from organisations`

// Organisations lists those with an id after the given one, in order of id, from their look-up. Version
// and UpdatedAt of the views are zero: the look-up does not know them.
func (s *Store) Organisations(ctx context.Context, after uuid.UUID, limit int) ([]organisation.View, error) {
	return s.organisations(ctx, organisationColumns+` where organisation_id > $1 order by organisation_id limit $2`, after, limit)
}

// Organisation is one of Organisations, or refused with no_organisation.
func (s *Store) Organisation(ctx context.Context, id uuid.UUID) (organisation.View, error) {
	found, err := s.organisations(ctx, organisationColumns+` where organisation_id = $1`, id)
	if err == nil && len(found) == 0 {
		err = domain.Refuse(domain.NotFound, "no_organisation", "%s is not known here", id)
	}
	if err != nil {
		return organisation.View{}, err
	}
	return found[0], nil
}

// OrganisationOf is the organisation that has a ledger, or refused with no_organisation.
func (s *Store) OrganisationOf(ctx context.Context, ledger uuid.UUID) (organisation.View, error) {
	found, err := s.organisations(ctx, organisationColumns+` where organisation_id = (select organisation_id from ledgers where ledger_id = $1)`, ledger)
	if err == nil && len(found) == 0 {
		err = domain.Refuse(domain.NotFound, "no_organisation", "%s is no organisation's ledger", ledger)
	}
	if err != nil {
		return organisation.View{}, err
	}
	return found[0], nil
}

// SigningKeys are the public keys that an organisation's answers to checks are verified with, as uncompressed
// points. They never change.
func (s *Store) SigningKeys(ctx context.Context, organisation uuid.UUID) (secp256k1, p256 []byte, err error) {
	err = s.pool.QueryRow(ctx, `select secp256k1_public, p256_public from organisations where organisation_id = $1`, organisation).Scan(&secp256k1, &p256)
	if err != nil {
		return nil, nil, fmt.Errorf("read the signing keys of %s: %w", organisation, err)
	}
	return secp256k1, p256, nil
}

func (s *Store) organisations(ctx context.Context, sql string, args ...any) ([]organisation.View, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read organisations: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v organisation.View, err error) {
		err = row.Scan(&v.ID, &v.Name, &v.Currency, &v.TimeZone, &v.Live, &v.Test, &v.CreatedAt)
		v.CreatedAt = v.CreatedAt.UTC()
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("read organisations: %w", err)
	}
	return all, nil
}
