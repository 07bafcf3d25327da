package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// Every invoice of the demonstration is what its events come to; one of which a cent was changed in the log is found,
// whichever amount it is.
func TestInvoicesAreVerified(t *testing.T) {
	t.Parallel()
	db, text := pgtest.New(t), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	c := newCLI(t).with("DATABASE_URL="+db.AppURL, "DATABASE_OWNER_URL="+db.URL, "DATABASE_READER_URL="+db.ReaderURL, "SUBLEDGER_MASTER_KEY="+text)
	c.ok("demo")
	conn, err := pgx.Connect(t.Context(), db.URL)
	require.NoError(t, err)
	defer conn.Close(t.Context())

	type answer struct {
		Invoices, Lines, Agree int64
		Faults                 []struct {
			InvoiceUUID string
			Steps       []struct {
				LineUUID         *string
				Name             string
				Result, Recorded int64
			}
		}
	}
	verify := func(stdout string) (a answer) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(stdout), &a))
		return a
	}
	all := verify(c.ok("invoice", "verify", "--all", "--mode", "test", "-o", "json"))
	require.Greater(t, all.Invoices, int64(1))
	require.Equal(t, all.Invoices, all.Agree)
	require.Contains(t, c.ok("invoice", "verify", "--all", "--mode", "test"), "agree")

	const last = ` where type = 'invoice.drafted.v1' and ledger_id = (select test_ledger_id from organisations) and (data->>'total')::int > 1`
	var id string
	require.NoError(t, conn.QueryRow(t.Context(), `select stream_id::text from events`+last+` order by position desc limit 1`).Scan(&id))
	require.Contains(t, c.ok("invoice", "explain", id, "--mode", "test"), "every amount is what its events come to")
	for _, amount := range []string{"{total}", "{subtotal}", "{lines,0,amount}"} {
		change := func(by int) {
			t.Helper()
			_, err := conn.Exec(t.Context(), `update events set data = jsonb_set(data::jsonb, $1, to_jsonb((data::jsonb #>> $1)::int + $2))::json
				where stream_id = $3 and type = 'invoice.drafted.v1'`, amount, by, id)
			require.NoError(t, err)
		}
		change(1)
		res := c.fails(5, "invoice", "verify", "--all", "--mode", "test", "-o", "json")
		found := verify(res.stdout)
		require.Equal(t, all.Invoices-1, found.Agree, amount)
		require.Equal(t, id, found.Faults[0].InvoiceUUID)
		require.NotEmpty(t, found.Faults[0].Steps)
		require.Contains(t, res.stderr, "1 invoice wrong: not what the events come to")
		require.Contains(t, c.fails(5, "invoice", "verify", id, "--mode", "test").stdout, "not to")
		change(-1)
	}
	c.ok("invoice", "verify", id, "--mode", "test")

	// Case 127: whoever changes the PDF file that was given out, or takes it away, is found out.
	var customer string
	require.NoError(t, conn.QueryRow(t.Context(), `select data->>'customer_id' from events where stream_id = $1 and version = 1`, id).Scan(&customer))
	c.ok("invoice", "pdf", id, "--mode", "test", "--file", "-")
	require.Contains(t, c.ok("invoice", "verify", "--all", "--mode", "test"), "1 PDF file as the log has the hash of")
	for _, of := range []struct{ problem, sql string }{
		{"the document is not what was stored", `update documents set bytes = set_byte(bytes, 100, get_byte(bytes, 100) # 1) where stream_id = $1`},
		{"the document is not there", `delete from documents where stream_id = $1`},
	} {
		_, err := conn.Exec(t.Context(), of.sql, id)
		require.NoError(t, err)
		res := c.fails(5, "invoice", "verify", "--all", "--mode", "test")
		require.Contains(t, res.stdout, "the PDF file: "+of.problem)
		require.Contains(t, res.stdout, fmt.Sprintf("%d agree", all.Agree), "its amounts do")
		require.Contains(t, res.stderr, "1 invoice wrong")
		require.Contains(t, c.fails(5, "invoice", "verify", id, "--mode", "test", "-o", "json").stdout, `"original":"`+of.problem)
	}
	require.NotEmpty(t, c.ok("invoice", "pdf", id, "--mode", "test", "--file", "-"), "it can be made again")
	require.Contains(t, c.ok("invoice", "verify", id, "--mode", "test", "-o", "json"), `"originals":1`)
	c.ok("erase", "--mode", "test", "--subject", "customer:"+customer, "--yes")
	require.Contains(t, c.ok("invoice", "verify", id, "--mode", "test"), "1 PDF file went with customers who were erased")

	require.Contains(t, c.fails(4, "invoice", "explain", id).stderr, "the live ledger has no invoice "+id)
	require.Contains(t, c.fails(2, "invoice", "verify").stderr, "want either the uuid of an invoice or --all")
}
