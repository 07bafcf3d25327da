package handlers_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/internal/invoicepdf"
	"github.com/subledger/subledger/internal/invoicepdf/pdftest"
)

// changed is a template that shows the same otherwise.
var changed = invoicepdf.Template{Version: invoicepdf.Today.Version + 1, Render: func(d invoicepdf.Document) ([]byte, error) {
	d.Seller = "A new letterhead of " + d.Seller
	return invoicepdf.Render(d)
}}

func digest(file []byte) (field, text string) {
	sum := sha256.Sum256(file)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":", fmt.Sprintf("%x", sum)
}

// originals counts the files that are kept for an invoice.
func (g *rig) originals(t *testing.T, b billed) (n int) {
	t.Helper()
	require.NoError(t, g.pool.QueryRow(t.Context(), `select count(*) from documents where stream_id = $1`, b.uuid).Scan(&n))
	return n
}

// Case 127: after a change of the template the amounts are equal, the original is what it was, and its hash is in the log.
func TestCase127_TheOriginalStays(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.call(t, g.test, "POST", "/customers", `{"currency":"EUR","name":"Ada Lovelace","address":{"line1":"12 St James's Square","city":"London"}}`).want(201).text("uuid")
	readOnly := g.call(t, g.admin, "POST", "/organisations/"+g.org+"/keys", `{"mode":"test","name":"auditor","scopes":["invoices:read"]}`).want(201).text("secret")

	draft := g.draft(t, ada, "EUR", line("Base", 100))
	g.writesNothing(t, func() {
		require.Contains(t, strings.Join(pdftest.Pages(t, g.call(t, readOnly, "GET", draft.path("/pdf"), "").want(200).body), ""), "Draft invoice")
	})
	require.Zero(t, g.originals(t, draft))

	b := g.open(t, g.test, ada, "EUR", 123456, 99)
	require.Nil(t, g.call(t, g.test, "GET", b.path(""), "").want(200).at("document"))
	g.writesNothing(t, func() { g.call(t, readOnly, "GET", b.path("/pdf?render=current"), "").want(200) })
	original := g.call(t, readOnly, "GET", b.path("/pdf"), "").want(200)
	field, sum := digest(original.body)
	require.Equal(t, []string{field, `inline; filename="INV-000001.pdf"`}, []string{original.header.Get("Repr-Digest"), original.header.Get("Content-Disposition")})
	shown := g.call(t, g.test, "GET", b.path(""), "").want(200)
	require.Equal(t, []any{sum, strconv.Itoa(invoicepdf.Today.Version), fmt.Sprint(len(original.body)), "2026-06-01T12:00:00Z"},
		[]any{shown.text("document", "sha256"), shown.text("document", "template"), shown.text("document", "size"), shown.text("document", "renderedAt")})
	event := g.call(t, g.test, "GET", "/events/"+shown.text("position"), "").want(200)
	require.Equal(t, []string{"invoice.documented.v1", sum, "originals"}, []string{event.text("type"), event.text("data", "sha256"), event.text("meta", "actor")})
	var kept []byte
	require.NoError(t, g.pool.QueryRow(t.Context(), `select bytes from documents where stream_id = $1`, b.uuid).Scan(&kept))
	require.False(t, bytes.HasPrefix(kept, []byte("%PDF")), "it names the customer: it is encrypted")

	// Everything that could change it: the template, the customer, the invoice.
	g.api.Template = changed
	g.call(t, g.test, "PUT", "/customers/"+ada, `{"name":"Ada King"}`).want(200)
	g.call(t, g.test, "POST", b.path("/void"), "").want(200)
	g.writesNothing(t, func() {
		again := g.call(t, g.test, "GET", b.path("/pdf"), "").want(200)
		require.Equal(t, original.body, again.body)
		require.Equal(t, field, again.header.Get("Repr-Digest"))
		current := g.call(t, g.test, "GET", b.path("/pdf?render=current"), "").want(200)
		text := strings.Join(pdftest.Pages(t, current.body), "")
		for _, want := range []string{"A new letterhead of Acme\n", "Ada King\n", "Invoice INV-000001 (void)\n"} {
			require.Contains(t, text, want)
		}
		field, _ := digest(current.body)
		require.Equal(t, field, current.header.Get("Repr-Digest"))
		g.call(t, g.test, "GET", b.path("/pdf?render=old"), "").code(400, "bad_enum")
		g.call(t, g.live, "GET", b.path("/pdf?render=current"), "").code(404, "no_invoice")
	})

	open := g.open(t, g.test, ada, "EUR", 123456, 99)
	g.api.Template = invoicepdf.Today
	first := g.call(t, g.test, "GET", open.path("/pdf"), "").want(200).body
	g.api.Template = changed
	second := g.call(t, g.test, "GET", open.path("/pdf?render=current"), "").want(200).body
	require.NotEqual(t, first, second)
	require.Equal(t, pdftest.Amounts(t, first), pdftest.Amounts(t, second))
	require.Contains(t, pdftest.Amounts(t, first), "EUR 1235.55")
}

// Two who ask first at the same time, with templates that do not agree, get the same file: one original.
func TestOneOfTwoFirstDownloadsIsTheOriginal(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	b := g.open(t, g.test, g.customer(t, g.test, "EUR"), "EUR", 100)
	const clients = 4
	var both sync.WaitGroup
	var n atomic.Int32
	both.Add(clients)
	g.api.Template = invoicepdf.Template{Version: 1, Render: func(d invoicepdf.Document) ([]byte, error) {
		d.Seller = fmt.Sprintf("Template %d", n.Add(1))
		both.Done()
		both.Wait() // nobody has recorded anything yet
		return invoicepdf.Render(d)
	}}
	var got sync.WaitGroup
	files := make([][]byte, clients)
	for i := range clients {
		got.Go(func() { files[i] = g.call(t, g.test, "GET", b.path("/pdf"), "").body })
	}
	got.Wait()
	_, sum := digest(files[0])
	for _, file := range files[1:] {
		require.Equal(t, files[0], file)
	}
	require.Equal(t, sum, g.call(t, g.test, "GET", b.path(""), "").want(200).text("document", "sha256"))
	require.EqualValues(t, clients, n.Load())
	require.Equal(t, 1, g.originals(t, b))
}

// Bytes that are lost come back when the same template makes the same ones, and never as others.
func TestALostOriginalIsMadeAgainOrGone(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "EUR")
	b := g.open(t, g.test, ada, "EUR", 100)
	original := g.call(t, g.test, "GET", b.path("/pdf"), "").want(200).body
	lose := func() {
		_, err := g.pool.Exec(t.Context(), `delete from documents where stream_id = $1`, b.uuid)
		require.NoError(t, err)
	}
	g.writesNothing(t, func() {
		lose()
		g.api.Template = changed
		require.Contains(t, g.call(t, g.test, "GET", b.path("/pdf"), "").code(410, "original_lost").text("detail"), "render=current")
		g.api.Template.Version = 1 // its version says that it is the same, its bytes do not
		g.call(t, g.test, "GET", b.path("/pdf"), "").code(410, "original_lost")
		require.Zero(t, g.originals(t, b))
		g.api.Template = invoicepdf.Today
		require.Equal(t, original, g.call(t, g.test, "GET", b.path("/pdf"), "").want(200).body)
		require.Equal(t, 1, g.originals(t, b))
		g.api.Template = changed
		require.Equal(t, original, g.call(t, g.test, "GET", b.path("/pdf"), "").want(200).body)
		g.api.Template = invoicepdf.Today
	})
	g.call(t, g.test, "PUT", "/customers/"+ada, `{"name":"Somebody else"}`).want(200)
	lose()
	g.call(t, g.test, "GET", b.path("/pdf"), "").code(410, "original_lost")

	_, err := g.pool.Exec(t.Context(), `insert into documents (ledger_id, stream_id, sha256, bytes) select ledger_id, stream_id, decode(data->>'sha256', 'hex'), '%PDF forged'
		from events where stream_id = $1 and type = 'invoice.documented.v1'`, b.uuid)
	require.NoError(t, err)
	require.NotContains(t, string(g.call(t, g.test, "GET", b.path("/pdf"), "").want(500).body), "forged")
}

// Whoever is erased is gone from the originals too; the hash stays, and the invoice without them is there.
func TestAnOriginalGoesWithWhomItIsAbout(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.call(t, g.test, "POST", "/customers", `{"currency":"EUR","name":"Ada Lovelace","address":{"line1":"12 St James's Square"}}`).want(201).text("uuid")
	b, later := g.open(t, g.test, ada, "EUR", 100), g.open(t, g.test, ada, "EUR", 100)
	original := g.call(t, g.test, "GET", b.path("/pdf"), "").want(200).body
	require.Contains(t, strings.Join(pdftest.Pages(t, original), ""), "Ada Lovelace")
	var ledger uuid.UUID
	require.NoError(t, g.pool.QueryRow(t.Context(), `select ledger_id from documents where stream_id = $1`, b.uuid).Scan(&ledger))
	_, err := g.store.EraseSubject(t.Context(), ledger, customer.Subject(uuid.MustParse(ada)))
	require.NoError(t, err)

	_, sum := digest(original)
	detail := g.call(t, g.test, "GET", b.path("/pdf"), "").code(410, "original_erased").text("detail")
	require.Contains(t, detail, "render=current")
	require.Contains(t, detail, sum)
	require.Equal(t, sum, g.call(t, g.test, "GET", b.path(""), "").want(200).text("document", "sha256"))
	for _, path := range []string{b.path("/pdf?render=current"), later.path("/pdf"), later.path("/pdf")} {
		file := g.call(t, g.test, "GET", path, "").want(200).body
		text := strings.Join(pdftest.Pages(t, file), "")
		for _, gone := range []string{"Ada", "Square", "erased"} {
			assert.NotContains(t, text, gone, path)
		}
		require.Equal(t, pdftest.Amounts(t, original), pdftest.Amounts(t, file), path)
	}
}

// An erasure that this process has not heard of yet is one all the same: who asks first does not write down again what
// another process erased.
func TestAnOriginalIsNotMadeOfWhatWasErasedElsewhere(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.call(t, g.test, "POST", "/customers", `{"currency":"EUR","name":"Ada Lovelace"}`).want(201).text("uuid")
	b := g.open(t, g.test, ada, "EUR", 100)
	require.Contains(t, strings.Join(pdftest.Pages(t, g.call(t, g.test, "GET", b.path("/pdf?render=current"), "").want(200).body), ""), "Ada Lovelace")
	_, err := g.pool.Exec(t.Context(), `update subject_keys set wrapped_key = null, destroyed_at = now()`)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(pdftest.Pages(t, g.call(t, g.test, "GET", b.path("/pdf"), "").want(200).body), ""), "Ada")
}
