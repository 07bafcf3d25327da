package migrations_test

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// built lists the functions that put SQL together, by where its parts come from. None of them may be a
// request's: those are arguments. A new one is added here only after somebody has looked.
var built = map[string][]string{
	"pass on what is made of constants where they are called": {"cmd/subledger: load", "internal/selftest: owners", "eventstore: appendParts", "eventstore: organisations", "eventstore: pageOf", "eventstore: readLedger", "eventstore: readStream",
		"projections: queue", "projections: queryRows", "projections: todo", "projections: within"},
	"make placeholders, as many as there are rows, or leave out what has none": {"eventstore: appendSQL", "eventstore: aloneSQL", "eventstore: appendAlone", "eventstore: Stream"},
	"take tables and columns from the program's types": {"projections: NewTable", "projections: queueLoad", "projections: queueWrite", "projections: flush",
		"projections: queueRows", "projections: ask", "projections: item", "projections: items", "projections: dress", "projections: licensePairs", "projections: status", "projections: compare"},
	"join conditions that are constants, with named arguments": {"projections: Subscription", "projections: Subscriptions", "projections: Customers", "projections: Invoices", "projections: InvoiceRows", "projections: InvoiceLines", "projections: CreditNotes", "projections: SubscriptionUsage", "projections: Task", "projections: UsageRecords", "projections: RejectedUsage",
		"projections: UsagePeriods", "projections: UsageTotals", "projections: CountLicenses", "projections: MeterByKey", "projections: CouponByCode", "projections: arms", "projections: tailBy"},
	"name a schema that the program chose": {"projections: Drop", "projections: Swap", "projections: align", "projections: applyTo", "projections: catchUp",
		"projections: execute", "projections: moveCheckpoints", "projections: newCopying", "projections: prepare", "projections: usable"},
	"name a channel, a database or a role that the program chose": {"projections: listen", "internal/embeddedpg: EnsureDatabase", "migrations: makeRoles"},
	"repeat what schema.sql has":                                  {"migrations: rights", "migrations: grant"},
	"wrap a library's SQL":                                        {"internal/reactions: ExecContext", "internal/reactions: QueryContext", "internal/reactions: SelectQuery"},
	"write a text, no SQL":                                        {"handlers: follow", "handlers/checkout: priceLines", "internal/selftest: keep", "internal/selftest: whole"},
}

// tools are for developers, on databases of their own.
var tools = []string{"internal/pgtest", "internal/bench", "internal/faults", "internal/mutant"}

// sqlWords begin statements and their clauses; a text with one of them is taken for SQL.
var sqlWords = regexp.MustCompile(`(?i)^\s*(select|insert into|update|delete from|create|alter|drop|truncate|with|copy|grant|revoke|set|reset|listen|notify|lock|call|do)\s|\b(from|where|order by|group by|limit|offset|on conflict|returning)\b.*\$?`)

// queries are the methods that send SQL, with the place of it among their arguments.
var queries = map[string]int{"Query": 1, "QueryRow": 1, "Exec": 1, "Prepare": 2, "Queue": 0, "QueryContext": 1, "ExecContext": 1, "QueryRowContext": 1}

// Statements are constants, and every value in them is an argument: no function outside of the list
// above sends SQL that is not a constant, or joins a text that looks like SQL with a value.
func TestB37_SQLIsNotBuiltFromValues(t *testing.T) {
	t.Parallel()
	found := map[string][]string{}
	packages := map[string][]*ast.File{}
	set := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(tools, strings.TrimPrefix(path, "../")) {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err == nil {
			packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], file)
		}
		return err
	})
	require.NoError(t, err)
	for dir, files := range packages {
		consts := constants(files)
		for _, file := range files {
			for _, decl := range file.Decls {
				name := strings.TrimPrefix(dir, "../") + ": " + declared(decl)
				ast.Inspect(decl, func(n ast.Node) bool {
					if what := suspect(n, consts); what != nil {
						var text strings.Builder
						_ = printer.Fprint(&text, set, what)
						found[name] = append(found[name], text.String())
					}
					return true
				})
			}
		}
	}
	var listed []string
	for _, names := range built {
		listed = append(listed, names...)
	}
	for name, what := range found {
		if !slices.Contains(listed, name) {
			t.Errorf("%s sends or builds SQL that is no constant; look where its parts come from, then list it:\n%s", name, strings.Join(what, "\n"))
		}
	}
	for _, name := range listed {
		if found[name] == nil {
			t.Errorf("%s builds none any more: take it off the list", name)
		}
	}
	require.Greater(t, len(packages), 15, "the whole repository was read")
}

// constants are the names of a package's constants, those of functions included.
func constants(files []*ast.File) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, s := range d.Specs {
					for _, id := range s.(*ast.ValueSpec).Names {
						names[id.Name] = true
					}
				}
			}
			return true
		})
	}
	return names
}

func declared(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		if len(d.Specs) > 0 {
			if v, ok := d.Specs[0].(*ast.ValueSpec); ok {
				return v.Names[0].Name
			}
		}
	}
	return "?"
}

func constant(e ast.Expr, consts map[string]bool) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return consts[e.Name]
	case *ast.ParenExpr:
		return constant(e.X, consts)
	case *ast.BinaryExpr:
		return e.Op == token.ADD && constant(e.X, consts) && constant(e.Y, consts)
	}
	return false
}

// suspect is the part of a node that must not be there: nil if all is well.
func suspect(n ast.Node, consts map[string]bool) ast.Node {
	switch n := n.(type) {
	case *ast.CallExpr:
		called, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return nil
		}
		if at, sends := queries[called.Sel.Name]; sends && len(n.Args) > at && !constant(n.Args[at], consts) {
			return n.Args[at]
		}
		if id, ok := called.X.(*ast.Ident); ok && id.Name == "fmt" && slices.Contains([]string{"Sprintf", "Fprintf", "Appendf"}, called.Sel.Name) {
			for _, arg := range n.Args {
				if looksLikeSQL(arg) {
					return n
				}
			}
		}
	case *ast.BinaryExpr:
		if n.Op == token.ADD && !constant(n, consts) && (looksLikeSQL(n.X) || looksLikeSQL(n.Y)) {
			return n
		}
	}
	return nil
}

func looksLikeSQL(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING && sqlWords.MatchString(strings.Trim(lit.Value, "`\""))
}
