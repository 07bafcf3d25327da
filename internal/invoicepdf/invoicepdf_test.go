package invoicepdf

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/internal/invoicepdf/pdftest"
)

var issued = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)

// document has as many lines as wanted; the second one takes several rows, the third is a credit.
func document(t *testing.T, lines int) Document {
	t.Helper()
	d := Document{Seller: "Acme GmbH", Buyer: []string{"Łukasz Ünal & Söhne AG", "Straße der Pariser Kommune 8", "10243 Berlin", "DE"}, Zone: time.UTC}
	due := issued.AddDate(0, 0, 14)
	v := invoice.View{ID: uuid.Max, Number: "INV-000042", Status: invoice.Open, IssuedAt: &issued, DueAt: &due, CreatedAt: issued, BalanceApplied: 500,
		Drafted: invoice.Drafted{Currency: "EUR", Reason: invoice.ForPeriod}}
	for i := range lines {
		unit := decimal.RequireFromString("1250")
		l := invoice.Line{ID: uuid.New(), Description: fmt.Sprintf("Team, %d seats", i+1), Quantity: fmt.Sprint(i + 1), UnitAmount: &unit, Amount: int64(1250 * (i + 1)),
			Period: period.Period{Start: issued, End: issued.AddDate(0, 1, 0)}}
		switch i {
		case 1:
			l.Description, l.Quantity = strings.Repeat("Calls of the API, Ελληνικά и кириллица 漢字 😀\t", 4), "23/3"
		case 2:
			of := uuid.Max
			l.Description, l.Amount, l.Reverses, l.UnitAmount = "Unused time", -3333, &of, nil
		}
		v.Drafted.Lines = append(v.Drafted.Lines, l)
	}
	totals, err := invoice.Settle(v.Drafted.Lines, []invoice.Coupon{{Code: "TEN", AmountOff: 1000}}, []invoice.Rate{{ID: uuid.Max, Percentage: decimal.RequireFromString("19")}})
	require.NoError(t, err)
	v.Drafted.Totals = totals
	d.Invoice = v
	return d
}

// Pages have their table's head again, each its number, and nothing of the moment in them.
func TestPages(t *testing.T) {
	t.Parallel()
	d := document(t, 70)
	file, err := Render(d)
	require.NoError(t, err)
	all := pdftest.Pages(t, file)
	require.Greater(t, len(all), 3)
	text := strings.Join(all, "")
	for i, page := range all {
		require.Contains(t, page, fmt.Sprintf("Invoice INV-000042, page %d of %d\n", i+1, len(all)))
		if strings.Contains(page, "Team, ") {
			require.Equal(t, 1, strings.Count(page, "Unit price\n"), "page %d", i+1)
		}
	}
	for i := range 70 {
		if i != 1 && i != 2 {
			require.Equal(t, 1, strings.Count(text, fmt.Sprintf("Team, %d seats\n", i+1)))
		}
	}
	for _, want := range []string{"Acme GmbH", "Łukasz Ünal & Söhne AG", "Straße der Pariser Kommune 8", "1 April 2026", "15 April 2026", "12.50", "7.667", "Ελληνικά", "кириллица", "−33.33", "Discount TEN",
		"Subtotal\n30991.67", "Discounts\n−10.00", "Tax 19 % on 31015.00\n5892.85", "Total\n36874.52", "Paid from the balance\n−5.00", "Amount due\nEUR 36869.52"} {
		require.Contains(t, text, want)
	}
	require.Contains(t, string(file), "/CreationDate (D:20260401090000)")
	for range 3 {
		again, err := Render(d)
		require.NoError(t, err)
		require.True(t, bytes.Equal(file, again), "the same invoice is the same bytes")
	}
	d.Invoice.AmountPaid, d.Invoice.Status = 100, invoice.Paid
	paid, err := Render(d)
	require.NoError(t, err)
	require.True(t, bytes.Equal(file, paid), "what was issued stays")
}

var update = flag.Bool("update", false, "note what a new version of the template makes")

// What a template makes is kept by others under its version, and may have to be made again: other bytes are another version.
// Each version ever released has a line, for ever.
func TestOtherBytesAreAnotherVersion(t *testing.T) {
	t.Parallel()
	sum := sha256.New()
	for _, change := range []func(*Document){
		func(*Document) {},
		func(d *Document) { d.Invoice.Status = invoice.Void },
		func(d *Document) {
			d.Invoice.Status, d.Invoice.Number, d.Invoice.IssuedAt, d.Invoice.DueAt = invoice.Draft, "", nil, nil
		},
		func(d *Document) {
			d.Invoice.Drafted.Currency, d.Invoice.Drafted.TaxExempt, d.Buyer = "JPY", "reverse charge", nil
		},
		func(d *Document) { d.Invoice.Drafted.DebitNoteTo = "INV-000012" },
		func(d *Document) { d.Invoice.Drafted.Total = -500 },
	} {
		d := document(t, 40)
		change(&d)
		file, err := Today.Render(d)
		require.NoError(t, err)
		sum.Write(file)
	}
	const path = "testdata/templates.txt"
	now := fmt.Sprintf("%d:%x", Today.Version, sum.Sum(nil))
	stored, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Fields(string(stored))
	if *update && len(lines) == Today.Version-1 {
		lines = append(lines, now)
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	}
	require.Len(t, lines, Today.Version, "a new version needs its line: go test ./internal/invoicepdf -update")
	require.Equal(t, lines[Today.Version-1], now, "the template makes other bytes than it did: give it another version in invoicepdf.go")
}

func TestAmountsHaveTheirCurrencysDigits(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"JPY": "1250\n19 %\n1250\n", "KWD": "1.250\n19 %\n1.250\n"} {
		d := document(t, 1)
		d.Invoice.Drafted.Currency = code
		file, err := Render(d)
		require.NoError(t, err)
		require.Contains(t, strings.Join(pdftest.Pages(t, file), ""), want)
	}
}

func TestWhatIsNoIssuedInvoiceSaysSo(t *testing.T) {
	t.Parallel()
	d := document(t, 1)
	for title, change := range map[string]func(*invoice.View){
		"Invoice INV-000042 (void)": func(v *invoice.View) { v.Status = invoice.Void },
		"Draft invoice":             func(v *invoice.View) { v.Status, v.Number, v.IssuedAt, v.DueAt = invoice.Draft, "", nil, nil },
		"Discarded draft":           func(v *invoice.View) { v.Status, v.Number, v.IssuedAt, v.DueAt = invoice.Void, "", nil, nil },
	} {
		of := d
		change(&of.Invoice)
		file, err := Render(of)
		require.NoError(t, err)
		text := strings.Join(pdftest.Pages(t, file), "")
		require.Contains(t, text, title+"\n")
		require.NotContains(t, text, "Amount due")
	}
}

// What gives back asks for nothing, by no day.
func TestACreditSaysSo(t *testing.T) {
	t.Parallel()
	d := document(t, 1)
	d.Invoice.Drafted.Total, d.Invoice.BalanceApplied, d.Invoice.Status = -500, 0, invoice.Paid
	file, err := Render(d)
	require.NoError(t, err)
	text := strings.Join(pdftest.Pages(t, file), "")
	require.Contains(t, text, "Credit invoice INV-000042\n")
	require.Contains(t, text, "Total\n−5.00\n")
	require.NotContains(t, text, "Due\n")
}

// Whatever people typed, there are pages.
func TestOddTexts(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{"", " ", strings.Repeat("x", 5000), strings.Repeat("wide 😀 ", 400), "\u202eright to left\u202c", "a\u0300\u0301", "\ufffe\uffff\U0010ffff", "{nb} (x) \\ \\)", "\x80\xff", "\r\n\t\v"} {
		d := document(t, 1)
		d.Seller, d.Buyer = odd, []string{odd, odd}
		d.Invoice.Drafted.Lines[0].Description, d.Invoice.Drafted.TaxExempt = odd, odd
		d.Invoice.Drafted.Lines[0].Discounts = []invoice.Discount{{Code: odd, Amount: 1}}
		file, err := Render(d)
		require.NoError(t, err, "%q", odd)
		require.Contains(t, strings.Join(pdftest.Pages(t, file), ""), "Total\n2.98\n")
	}
}

// Rates stand one below the other: beside one another they ran into the unit price.
func TestTwoRatesDoNotMeetThePrice(t *testing.T) {
	t.Parallel()
	d := document(t, 1)
	l := &d.Invoice.Drafted.Lines[0]
	l.Taxes = append(l.Taxes, invoice.Tax{TaxRateID: uuid.New(), Percentage: decimal.RequireFromString("7.7")})
	file, err := Render(d)
	require.NoError(t, err)
	require.Contains(t, strings.Join(pdftest.Pages(t, file), ""), "19 %\n7.7 %\n")
}
