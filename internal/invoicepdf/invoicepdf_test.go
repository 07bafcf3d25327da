package invoicepdf

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
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

var (
	streams = regexp.MustCompile(`(?s)stream\n(.*?)\nendstream`)
	texts   = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`)
)

// pages is what is written on each page: texts stand in the file in UTF-16.
func pages(t *testing.T, file []byte) (all []string) {
	t.Helper()
	for _, m := range streams.FindAllSubmatch(file, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue // not compressed
		}
		content, err := io.ReadAll(z)
		require.NoError(t, err)
		var page strings.Builder
		for _, text := range texts.FindAllSubmatch(content, -1) {
			raw := strings.NewReplacer(`\\`, `\`, `\(`, "(", `\)`, ")", `\r`, "\r").Replace(string(text[1]))
			var units []uint16
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			page.WriteString(string(utf16.Decode(units)) + "\n")
		}
		if page.Len() > 0 {
			all = append(all, page.String())
		}
	}
	return all
}

// Pages have their table's head again, each its number, and nothing of the moment in them.
func TestPages(t *testing.T) {
	t.Parallel()
	d := document(t, 70)
	file, err := Render(d)
	require.NoError(t, err)
	all := pages(t, file)
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

func TestAmountsHaveTheirCurrencysDigits(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"JPY": "1250\n19 %\n1250\n", "KWD": "1.250\n19 %\n1.250\n"} {
		d := document(t, 1)
		d.Invoice.Drafted.Currency = code
		file, err := Render(d)
		require.NoError(t, err)
		require.Contains(t, strings.Join(pages(t, file), ""), want)
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
		text := strings.Join(pages(t, file), "")
		require.Contains(t, text, title+"\n")
		require.NotContains(t, text, "Amount due")
	}
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
		require.Contains(t, strings.Join(pages(t, file), ""), "Total\n2.98\n")
	}
}
