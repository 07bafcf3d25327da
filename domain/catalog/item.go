package catalog

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

// Status of an item; archived items are DEPRECATED, features may also be COMING_SOON.
const (
	Active     = "ACTIVE"
	Deprecated = "DEPRECATED"
	ComingSoon = "COMING_SOON"
)

// MaxMinor bounds every price in minor units, 2^53 - 1: what each client's JSON can hold.
const MaxMinor = 1<<53 - 1

func statusOf(archived bool) string {
	if archived {
		return Deprecated
	}
	return Active
}

// set is a patch's step: nil leaves the field (rule C6).
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// setText is set for texts that may be absent; the empty text removes them.
func setText(to **string, from *string) {
	switch {
	case from == nil:
	case *from == "":
		*to = nil
	default:
		*to = from
	}
}

func orDefault(text *string, otherwise string) {
	if *text == "" {
		*text = otherwise
	}
}

func refuseArchived(kind string) error {
	return &domain.Error{Kind: domain.Conflict, Code: kind + "_archived", State: Deprecated,
		Detail: "this " + kind + " is archived: it stays as it is, for those who bought it"}
}

// same compares what would be written; decimals are normalised before.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// viewed is a state that can show itself.
type viewed[V any] interface {
	domain.State
	View() V
}

// answer shows an item as this decision leaves it.
func answer[S viewed[V], V any](l domain.Ledger, id uuid.UUID) (any, error) {
	s, err := domain.LoadAs[S](l, id, "no_item")
	if err != nil {
		return nil, err
	}
	return s.View(), nil
}

// snake makes a slug of a display name: "Pro (yearly)" is pro_yearly.
func snake(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "item"
	}
	return strings.ToValidUTF8(b.String()[:min(b.Len(), domain.MaxName)], "")
}

// plainSlug leaves of a text what a plan's slug may have: names in checks are compared and joined by clients.
func plainSlug(text string) string {
	text = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, text), "_-")
	if text == "" {
		return "item"
	}
	return text
}

// checkPlanSlug refuses a slug that somebody chose and that is not plain.
func checkPlanSlug(bad *domain.Problems, slug string) {
	if slug != "" && strings.ContainsFunc(slug, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", r) }) {
		bad.Add("/slug", "bad_slug", "it is of lower-case letters, digits, - and _")
	}
}

// claimSlug makes a slug that a caller chose unique in its scope.
func claimSlug(l domain.Ledger, scope, slug string, id uuid.UUID) {
	l.Claim(scope, slug, id, &domain.Error{Kind: domain.Conflict, Code: "slug_taken", State: slug,
		Detail: "another item has the slug " + slug})
}

// currency normalises a code in place.
func currency(bad *domain.Problems, pointer string, code *string) {
	c, err := money.Parse(*code)
	if err != nil {
		bad.AddError(pointer, err)
		return
	}
	*code = c.Code
}

// amount checks and normalises a decimal in minor units, in place: 0 to 2^53 - 1, at most 18 digits
// after the point.
func amount(bad *domain.Problems, pointer string, d *decimal.Decimal) {
	if !bounded(*d) || d.IsNegative() || d.GreaterThan(decimal.NewFromInt(MaxMinor)) {
		bad.Add(pointer, "amount_out_of_range", "it is not within 0 and %d", int64(MaxMinor))
		return
	}
	*d = d.Normalize()
}

// bounded looks at the size first: 1e1000000000 is short to write and takes a gigabyte to compare.
func bounded(d decimal.Decimal) bool {
	return d.Exponent() >= -money.MaxFractionDigits && d.Exponent() <= money.MaxIntegerDigits && d.NumDigits() <= 40
}

func whole(bad *domain.Problems, pointer string, n int64) {
	if n < 0 || n > MaxMinor {
		bad.Add(pointer, "amount_out_of_range", "it is not within 0 and %d", int64(MaxMinor))
	}
}
