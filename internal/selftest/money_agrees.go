package selftest

import (
	"context"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5"
)

// close looks at what can be told of all events alone: what was taken back, and both sides of the balances.
func (t *till) close() {
	for _, b := range t.invoices {
		if b.moved != b.returned-b.applied {
			t.wrong(b.at, b.id, "the balance changed by %d for it; it took %d from it and gave %d back", b.moved, b.applied, b.returned)
		}
		t.ask(b) // a draft that waits
	}
	for id, a := range t.lines {
		switch {
		case a.of == nil:
			t.f.breach(Breach{Ledger: t.ledger, Problem: fmt.Sprintf("something was taken back of line %s, which nobody was asked for", id)})
		case a.reversed.Sign() > 0 && a.reversed.Cmp(big.NewInt(a.amount)) > 0:
			t.wrong(a.of.at, a.of.id, "credits take %s back of line %s over %d", &a.reversed, id, a.amount)
		case a.noted.Sign() > 0 && a.noted.Cmp(big.NewInt(a.gross)) > 0:
			t.wrong(a.of.at, a.of.id, "credit notes take %s back of line %s over %d with its taxes", &a.noted, id, a.gross)
		case a.overcredited():
			t.wrong(a.of.at, a.of.id, "credits take %s back of line %s over %d, and credit notes %s of the %d that it is with its taxes", &a.reversed, id, a.amount, &a.noted, a.gross)
		case a.reversed.Sign() > 0 && a.of.status == "void" && !a.of.unissued:
			t.wrong(a.of.at, a.of.id, "credits take %s back of line %s, which is not asked for any more", &a.reversed, id)
		}
	}
}

// compare holds the read models against the events, where they have got as far as these, and against each other.
func (t *till) compare(ctx context.Context, x *run) error {
	rows, err := x.pool.Query(ctx, `select id, position, status, subtotal, discount_total, tax_total, total, balance_applied, amount_paid, credited, amount_due
		from invoices where ledger_id = $1`, t.ledger)
	if err != nil {
		return err
	}
	var row bill
	var due int64
	_, err = pgx.ForEachRow(rows, []any{&row.id, &row.at, &row.status, &row.sums.Subtotal, &row.sums.Discount, &row.sums.Tax, &row.sums.Total,
		&row.applied, &row.paid, &row.lowered, &due}, func() error {
		switch b := t.invoices[row.id]; {
		case row.at > t.end: // somebody goes on writing
		case b == nil:
			t.wrong(row.at, row.id, "invoices has an invoice that no event made")
		case b.at != row.at:
		case b.status != row.status || b.sums != row.sums || b.applied != row.applied || b.paid != row.paid || b.lowered != row.lowered || b.due() != due:
			t.wrong(row.at, row.id, "invoices has it as %s with a total of %d, of which %d are due; its events say %s, %d and %d",
				row.status, row.sums.Total, due, b.status, b.sums.Total, b.due())
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = x.pool.Query(ctx, `with owed as (select coalesce(customer_id, subscription_id, id) as owner_id, currency, sum(amount_due) as due
				from invoices where ledger_id = $1 group by 1, 2),
			lines as (select invoice_id, sum(amount) as amount, sum(discount_amount) as discount, sum(tax_amount) as tax, sum(gross_amount) as gross
				from invoice_lines where ledger_id = $1 group by 1)
		select b.position, b.owner_id, 'balances has ' || b.owed || ' ' || b.currency || ' as owed; the invoices say ' || coalesce(o.due, 0)
			from balances b left join owed o using (owner_id, currency) where b.ledger_id = $1 and b.owed <> coalesce(o.due, 0)
		union all select i.position, i.id, 'invoice_lines has lines that come to ' || coalesce(l.gross, 0) || '; the total is ' || i.total
			from invoices i left join lines l on l.invoice_id = i.id where i.ledger_id = $1
				and (coalesce(l.amount, 0), coalesce(l.discount, 0), coalesce(l.tax, 0), coalesce(l.gross, 0)) <> (i.subtotal, i.discount_total, i.tax_total, i.total)
		order by 1, 2 limit 100`, t.ledger)
	if err != nil {
		return err
	}
	var b Breach
	_, err = pgx.ForEachRow(rows, []any{&b.Position, &b.Stream, &b.Problem}, func() error { t.wrong(b.Position, b.Stream, "%s", b.Problem); return nil })
	return err
}

// overcredited tells a line of which credits and credit notes take more together than there is, in parts of it: each is
// rounded for itself, to a unit.
func (a *asked) overcredited() bool {
	if a.reversed.Sign() <= 0 || a.noted.Sign() <= 0 || a.amount <= 0 || a.gross <= 0 {
		return false
	}
	both := new(big.Rat).SetFrac(&a.reversed, big.NewInt(a.amount))
	both.Add(both, new(big.Rat).SetFrac(&a.noted, big.NewInt(a.gross)))
	most := big.NewRat(1, 1)
	most.Add(most, big.NewRat(1, a.amount))
	return both.Cmp(most.Add(most, big.NewRat(1, a.gross))) > 0
}
