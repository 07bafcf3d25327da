package projections

import (
	"context"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/eventstore"
)

// Customer is a customer's row. Name, Email and Address are personal.
type Customer struct {
	ItemKey
	Name       *string                `db:"name"`
	Email      *string                `db:"email"`
	Address    customer.PostalAddress `db:"address"`
	ExternalID *string                `db:"external_id"`
	Fields     customer.Fields        `db:"fields"`
	Touched
}

// Customers is the read model of who is billed.
func Customers() *Model {
	rows := NewTable[ItemKey, Customer]("customers")
	return newModel("customers", func(p *Page, e *eventstore.Recorded) {
		var row Customer
		switch d := e.Event.(type) {
		case customer.Created:
			row.ItemKey = key(e)
			row.become(d.Fields)
			row.reach(d.Contact)
		case customer.Changed:
			row = rows.Must(p, key(e))
			row.become(d.Fields)
		case customer.ContactChanged:
			row = rows.Must(p, key(e))
			row.reach(d.Contact)
		case customer.PaymentMethodSet, customer.PaymentMethodRemoved, customer.TrialBegan, customer.Moved, customer.ChargeFailed: // it moves the version
			row = rows.Must(p, key(e))
		default:
			return
		}
		row.Touched = row.by(e)
		rows.Put(p, row)
	}, rows)
}

func (c *Customer) become(f customer.Fields) {
	c.Fields, c.ExternalID = f, nil
	if f.ExternalID != "" {
		c.ExternalID = &f.ExternalID
	}
}

func (c *Customer) reach(at customer.Contact) {
	c.Name, c.Email, c.Address = text(at.Name), text(at.Email), at.Address.Plain()
}

// CustomerFilter narrows a list of customers; zero fields do not.
type CustomerFilter struct {
	IDs        []uuid.UUID // these alone; unknown ones are left out
	ExternalID string
}

// Customer refuses with no_customer.
func (r *Reads) Customer(ctx context.Context, ledger, id uuid.UUID) (Customer, error) {
	return item[Customer](ctx, r, ledger, id, "customers", "no_customer")
}

// Customers lists customers in order of id.
func (r *Reads) Customers(ctx context.Context, ledger uuid.UUID, f CustomerFilter, k Keyset) ([]Customer, error) {
	w := within(ledger).and("c.ledger_id = @ledger").after("c", k)
	if f.IDs != nil {
		w.with("ids", f.IDs, "c.id = any(@ids)")
	}
	if f.ExternalID != "" {
		w.with("external", f.ExternalID, "c.external_id = @external")
	}
	return query[Customer](ctx, r, ledger, "select c.* from customers c where "+w.String()+k.tail("c"), w.args)
}
