package organisation

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// Create makes an organisation with its two ledgers (rule O1), in the system ledger. Currency is USD and
// TimeZone UTC by default. It answers View.
//
// Invalid: bad_name, unknown_currency, unknown_time_zone, bad_key_material. Conflict: organisation_exists.
type Create struct {
	ID        uuid.UUID
	Name      string
	Currency  string // ISO 4217
	TimeZone  string // IANA
	Live      LedgerKey
	Test      LedgerKey
	Secp256k1 SigningKey
	P256      SigningKey
}

// Decide implements domain.Command.
func (c Create) Decide(l domain.Ledger) (any, error) {
	if c.Currency == "" {
		c.Currency = "USD"
	}
	if c.TimeZone == "" {
		c.TimeZone = "UTC"
	}
	var bad domain.Problems
	bad.Line("/name", "bad_name", c.Name)
	currency, err := money.Parse(c.Currency)
	bad.AddError("/currency", err)
	_, err = period.Zone(c.TimeZone)
	bad.AddError("/timeZone", err)
	if c.ID == uuid.Nil || c.ID == AdminKeys || c.Live.ID == uuid.Nil || c.Test.ID == uuid.Nil || c.Live.ID == c.Test.ID ||
		len(c.Live.WrappedKey) == 0 || len(c.Test.WrappedKey) == 0 {
		bad.Add("", "bad_key_material", "an organisation has an id and two ledgers, each with an id and a key of its own")
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	state, err := l.Load(c.ID)
	if err != nil {
		return nil, err
	}
	if state != nil {
		return nil, &domain.Error{Kind: domain.Conflict, Code: "organisation_exists", State: c.ID.String(),
			Detail: "the id is taken"}
	}
	l.Append(c.ID, Created{Name: c.Name, Currency: currency.Code, TimeZone: c.TimeZone, Live: c.Live, Test: c.Test,
		Secp256k1: c.Secp256k1, P256: c.P256})
	s, err := domain.LoadAs[*State](l, c.ID, "no_organisation")
	if err != nil {
		return nil, err
	}
	return s.View(), nil
}
