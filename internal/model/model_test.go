package model

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/internal/selftest"
)

// TestMain gives all tests one seed, so that the ledger in memory and the log are walked the same ways.
func TestMain(m *testing.M) {
	flag.Parse()
	for _, of := range []struct{ name, usual, ours string }{
		{"rapid.checks", "100", "3000"}, {"rapid.steps", "30", "40"}, {"rapid.seed", "0", strconv.FormatUint(rand.Uint64()|1, 10)},
	} {
		if f := flag.Lookup(of.name); f.Value.String() == of.usual { // nobody asked for another value
			_ = f.Value.Set(of.ours)
		}
	}
	os.Exit(m.Run())
}

// The same walks on the real log, through crashes, lost answers and two processes.
func TestReferenceAgreesWithTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := map[string]int{}
	within(t, func(rt *rapid.T) { walkOn(rt, w.open(t), done) })
	allDone(t, done)
	all, err := selftest.Check(t.Context(), w.owner, selftest.Options{})
	require.NoError(t, err)
	for _, f := range all {
		require.Empty(t, f.Breaches, "invariant %d, %s", f.Number, f.Name)
	}
}

// within checks until the budget is used up: rapid counts checks, CI has time.
func within(t *testing.T, check func(*rapid.T)) {
	began, walks, failed := time.Now(), 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(began) > budget && !failed { // a failure is shrunk whatever it takes
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		check(rt)
		walks++
	})
	t.Logf("%d walks", walks)
}

// budget of each test: 15 s, or what SOAK says (make soak).
var budget = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SOAK")); err == nil {
		return d
	}
	return 15 * time.Second
}()

// Every command of the domain has a step that draws it: a new one has to get one.
func TestEveryCommandIsWalked(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for _, path := range []string{"draws_test.go", "draws_catalog_test.go", "draws_coupon_test.go", "walk_test.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			var made ast.Expr
			switch n := n.(type) {
			case *ast.CompositeLit:
				made = n.Type
			case *ast.CallExpr: // a conversion
				made = n.Fun
			}
			if s, ok := made.(*ast.SelectorExpr); ok {
				if of, ok := s.X.(*ast.Ident); ok {
					drawn[of.Name+"."+s.Sel.Name] = true
				}
			}
			return true
		})
	}
	commands := 0
	require.NoError(t, filepath.WalkDir("../../domain", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Decide" {
				continue
			}
			name := file.Name.Name + "." + f.Recv.List[0].Type.(*ast.Ident).Name
			commands++
			switch name {
			case "task.AdvanceClock", "task.RunBilling", "task.Report": // moveTo is where they lead; internal/reactions holds the way there against steps of its own
			case "invoice.Finalize", "invoice.Discard", "invoice.Cancel", "invoice.WriteOff", "invoice.RecordPayment", "invoice.IssueCreditNote", "invoice.IssueDebitNote", "invoice.RecordDocument": // their own walk is in domain/invoice
			case "subscription.FinalizeInvoice", "subscription.PayInvoice", "subscription.ChargeInvoice", "subscription.VoidInvoice", "subscription.CreditInvoice", "subscription.DebitInvoice", "subscription.CloseAccount", "subscription.Upcoming", "subscription.WithUsage",
				"subscription.DropScheduled", "subscription.SetPaymentMethod", "subscription.RemovePaymentMethod", "subscription.Rezone", "customer.Arrive": // what is billed has a walk of its own, in domain/account
			case "organisation.Create": // the keeper makes it, with keys of its own
			case "catalog.CreatePricingTable", "catalog.ChangePricingTable", "catalog.ArchivePricingTable": // nothing else depends on them
			case "catalog.CreateTaxRate", "catalog.ChangeTaxRate", "catalog.ArchiveTaxRate",
				"customer.Create", "customer.Change", "customer.SetPaymentMethod", "customer.RemovePaymentMethod": // nothing that is walked depends on them
			case "rbac.CreatePermission", "rbac.ChangePermission", "rbac.DeletePermission", "rbac.CreateRole", "rbac.ChangeRole", "rbac.DeleteRole",
				"rbac.CreateUser", "rbac.ChangeUser", "rbac.DeleteUser": // no other aggregate knows of them
			case "organisation.AcknowledgeRestore": // any database that went back may be accepted: there is nothing to decide
			default:
				require.True(t, drawn[name], "no step draws %s", name)
			}
		}
		return nil
	}))
	require.Greater(t, commands, 40)
}
