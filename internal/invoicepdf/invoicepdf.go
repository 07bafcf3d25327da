// Package invoicepdf shows an invoice as it was issued, as pages of A4. The same invoice is the same bytes: what became of
// it later, payments and credit notes, is not on it, and nothing of the moment in which it is made.
//
// Letters are those of DejaVu Sans: Latin, Greek, Cyrillic and more, but no Chinese, Japanese or Korean, for which it has
// boxes. What is written from right to left is not put in order. The fonts may be embedded: LICENSE-DejaVu in their module.
package invoicepdf

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/dejavu/dejavusans"
	"github.com/go-fonts/dejavu/dejavusansbold"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// Template is a way to show an invoice. Its version is kept with what it made, and is another one as soon as it makes
// other bytes of the same document.
type Template struct {
	Version int
	Render  func(Document) ([]byte, error)
}

// Today is the template of this version of the product; testdata/templates.txt has what each version made.
var Today = Template{Version: 3, Render: Render}

// Document is an invoice with who asks and who pays.
type Document struct {
	Seller  string
	Buyer   []string // name and address, a line each
	Invoice invoice.View
	Zone    *time.Location // of the dates
}

// Bill says whom the invoice is for, and by whose clock its dates are. It refuses with unknown_time_zone.
func (d *Document) Bill(name string, at customer.PostalAddress, zone string) (err error) {
	for _, line := range []string{name, at.Line1, at.Line2, strings.TrimSpace(at.PostalCode + " " + at.City), at.State, at.Country} {
		if line != "" {
			d.Buyer = append(d.Buyer, line)
		}
	}
	d.Zone, err = period.Zone(zone)
	return err
}

// Sizes in millimetres.
const (
	left, right, top, bottom = 20.0, 190.0, 20.0, 272.0
	high                     = 4.6 // of a line of text
)

// column of the table of lines: where its right end is, and its name.
var columns = []struct {
	name string
	end  float64
}{{"Quantity", 122}, {"Unit price", 148}, {"Tax", 164}, {"Amount", right}}

const describes = 80.0 // the width of a description

// Render makes the pages.
func Render(d Document) ([]byte, error) {
	p, err := draw(d, 1)
	if err == nil && p.PageCount() > 1 {
		p, err = draw(d, p.PageCount()) // how many there are is on each of them
	}
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("write the pages of invoice %s: %w", d.Invoice.ID, err)
	}
	return out.Bytes(), nil
}

type sheet struct {
	*fpdf.Fpdf
	Document
	currency money.Currency
}

func draw(d Document, pages int) (*fpdf.Fpdf, error) {
	currency, err := money.Parse(d.Invoice.Drafted.Currency)
	if err != nil {
		return nil, err
	}
	s := &sheet{fpdf.New("P", "mm", "A4", ""), d, currency}
	s.SetCatalogSort(true)
	made := d.Invoice.CreatedAt
	if d.Invoice.IssuedAt != nil {
		made = *d.Invoice.IssuedAt
	}
	s.SetCreationDate(made.UTC())
	s.SetModificationDate(made.UTC())
	s.SetProducer("Subledger", true)
	s.SetTitle(s.title(), true)
	s.AddUTF8FontFromBytes("sans", "", dejavusans.TTF)
	s.AddUTF8FontFromBytes("sans", "B", dejavusansbold.TTF)
	s.SetMargins(left, top, 210-right)
	s.SetAutoPageBreak(false, 0)
	s.SetFooterFunc(func() {
		s.face("", 8)
		s.at(right, 285, fmt.Sprintf("%s, page %d of %d", s.title(), s.PageNo(), pages))
	})
	s.AddPage()
	s.head()
	s.lines()
	s.totals()
	if err := s.Error(); err != nil {
		return nil, fmt.Errorf("draw invoice %s: %w", d.Invoice.ID, err)
	}
	return s.Fpdf, nil
}

func (s *sheet) title() string {
	switch v := s.Invoice; {
	case v.Number == "" && v.Status == invoice.Void:
		return "Discarded draft"
	case v.Number == "":
		return "Draft invoice"
	case v.Status == invoice.Void:
		return s.kind() + v.Number + " (void)"
	default:
		return s.kind() + v.Number
	}
}

// kind begins the title of what has a number.
func (s *sheet) kind() string {
	if s.credits() {
		return "Credit invoice "
	}
	return "Invoice "
}

// credits tells an invoice that asks for nothing, since it gives back.
func (s *sheet) credits() bool { return s.Invoice.Drafted.Total < 0 }

func (s *sheet) face(style string, points float64) { s.SetFont("sans", style, points) }

// at writes a text that ends at x.
func (s *sheet) at(x, y float64, text string) { s.Text(x-s.GetStringWidth(text), y, text) }

func (s *sheet) day(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return t.In(s.Zone).Format("2 January 2006")
}

// head is who asks whom for what, on the first page.
func (s *sheet) head() {
	s.face("B", 16)
	s.Text(left, 26, s.fit(plain(s.Seller), right-left))
	s.face("B", 12)
	s.at(right, 36, s.title())
	s.face("", 9)
	y := 42.0
	rows := [][2]string{{"Issued", s.day(s.Invoice.IssuedAt)}}
	if !s.credits() {
		rows = append(rows, [2]string{"Due", s.day(s.Invoice.DueAt)})
	}
	rows = append(rows, [2]string{"Currency", s.currency.Code})
	if to := s.Invoice.Drafted.DebitNoteTo; to != "" {
		s.at(right, y, "Debit note to "+to)
		y += high
	}
	for _, row := range rows {
		s.at(150, y, row[0])
		s.at(right, y, row[1])
		y += high
	}
	y = 42
	for i, line := range s.Buyer {
		if i == 0 {
			s.face("B", 9)
		} else {
			s.face("", 9)
		}
		for _, part := range s.SplitText(plain(line), 80) {
			s.Text(left, y, part)
			y += high
		}
	}
	s.SetY(max(y, 60) + 4)
	s.tableHead()
}

// tableHead stands above the lines of each page.
func (s *sheet) tableHead() {
	y := s.GetY()
	s.face("B", 8.5)
	s.Text(left, y, "Description")
	for _, c := range columns {
		s.at(c.end, y, c.name)
	}
	s.Line(left, y+1.6, right, y+1.6)
	s.SetY(y + 7)
}

// room begins another page when what comes next is higher than what is left of this one.
func (s *sheet) room(height float64, table bool) {
	if s.GetY()+height <= bottom {
		return
	}
	s.AddPage()
	s.SetY(top + 6)
	if table {
		s.tableHead()
	}
}

func (s *sheet) lines() {
	for _, l := range s.Invoice.Drafted.Lines {
		s.face("", 8.5)
		text := s.SplitText(plain(l.Description), describes)
		rows := len(text) + 1 + len(l.Discounts)
		s.room(float64(max(min(len(text), 40)+1+len(l.Discounts), len(l.Taxes)))*high, true)
		y := s.GetY()
		unit, taxes := "", []string{}
		if l.UnitAmount != nil {
			price := l.UnitAmount.Normalize().Shift(-int32(s.currency.Exponent))
			unit = price.StringFixed(max(-price.Exponent(), int32(s.currency.Exponent)))
		}
		for _, t := range l.Taxes {
			taxes = append(taxes, t.Percentage.String()+" %")
		}
		s.face("", 8.5)
		s.at(columns[0].end, y, quantity(l.Quantity))
		s.at(columns[1].end, y, unit)
		for n, tax := range taxes { // beside one another they run into the price
			s.at(columns[2].end, y+float64(n)*high, tax)
		}
		s.at(columns[3].end, y, s.money(l.Amount))
		for _, part := range text {
			s.room(high, true)
			s.face("", 8.5)
			s.Text(left, s.GetY(), part)
			s.SetY(s.GetY() + high)
		}
		s.face("", 7.5)
		s.SetTextColor(90, 90, 90)
		s.Text(left, s.GetY(), s.day(&l.Period.Start)+" – "+s.day(&l.Period.End))
		for _, d := range l.Discounts {
			s.SetY(s.GetY() + high)
			s.Text(left, s.GetY(), s.fit("Discount "+plain(d.Code), describes))
			s.at(right, s.GetY(), s.money(-d.Amount))
		}
		s.SetTextColor(0, 0, 0)
		s.SetY(s.GetY() + high*float64(1+max(0, len(taxes)-rows)) + 2)
	}
}

// totals are what the lines come to.
func (s *sheet) totals() {
	v := s.Invoice
	rows := [][2]string{{"Subtotal", s.money(v.Drafted.Subtotal)}}
	if v.Drafted.DiscountTotal != 0 {
		rows = append(rows, [2]string{"Discounts", s.money(-v.Drafted.DiscountTotal)})
	}
	rows = append(rows, s.taxes()...)
	rows = append(rows, [2]string{"Total", s.money(v.Drafted.Total)})
	due := max(0, v.Drafted.Total)
	if v.BalanceApplied != 0 {
		due = max(0, v.Drafted.Total-v.BalanceApplied)
		name := "Paid from the balance"
		if v.BalanceApplied < 0 {
			name = "To the balance"
		}
		rows = append(rows, [2]string{name, s.money(-v.BalanceApplied)})
	}
	if v.Number != "" && v.Status != invoice.Void {
		rows = append(rows, [2]string{"Amount due", s.currency.Code + " " + s.money(due)})
	}
	s.room(float64(len(rows)+3)*(high+1), false)
	s.Line(120, s.GetY()-3, right, s.GetY()-3)
	s.SetY(s.GetY() + 2)
	for _, row := range rows {
		s.room(high, false)
		s.face("", 9)
		if row[0] == "Total" || row[0] == "Amount due" {
			s.face("B", 9)
		}
		s.Text(120, s.GetY(), row[0])
		s.at(right, s.GetY(), row[1])
		s.SetY(s.GetY() + high + 1)
	}
	if reason := v.Drafted.TaxExempt; reason != "" {
		s.face("", 8.5)
		for _, part := range s.SplitText("No tax is charged: "+plain(reason), right-left) {
			s.room(high, false)
			s.Text(left, s.GetY()+2, part)
			s.SetY(s.GetY() + high)
		}
	}
}

// taxes is a row for each rate, in the order of the lines.
func (s *sheet) taxes() (rows [][2]string) {
	type rate struct {
		percentage string
		inclusive  bool
	}
	var order []rate
	sums := map[rate][2]int64{}
	for _, l := range s.Invoice.Drafted.Lines {
		for _, t := range l.Taxes {
			r := rate{t.Percentage.String(), t.Inclusive}
			if _, known := sums[r]; !known {
				order = append(order, r)
			}
			sums[r] = [2]int64{sums[r][0] + t.Taxable, sums[r][1] + t.Amount}
		}
	}
	for _, r := range order {
		name := fmt.Sprintf("Tax %s %% on %s", r.percentage, s.money(sums[r][0]))
		if r.inclusive {
			name += ", included"
		}
		rows = append(rows, [2]string{name, s.money(sums[r][1])})
	}
	return rows
}

func (s *sheet) money(minor int64) string {
	return strings.ReplaceAll(s.currency.Format(minor), "-", "−")
}

// fit cuts a text that is wider than there is room.
func (s *sheet) fit(text string, width float64) string {
	for at, r := range text {
		if width -= s.GetStringWidth(string(r)); width < 0 {
			return text[:at]
		}
	}
	return text
}

// quantity writes a fraction with three places.
func quantity(q string) string {
	if strings.Contains(q, "/") {
		if r, ok := new(big.Rat).SetString(q); ok {
			return decimal.NewFromBigRat(r, 3).String()
		}
	}
	return q
}

// plain leaves out what no font here can show: line ends and other controls, and what is beyond 16 bits.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029:
			return ' '
		case r > 0xffff:
			return '\ufffd'
		}
		return r
	}, s)
}
