// Command subledger runs and looks after a subscription ledger. All flags, environment variables and
// wiring are in this package, one file a subcommand; docs/running.md describes them.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
)

// commands is the command line: one struct a subcommand.
type commands struct {
	Serve       serveCommand       `cmd:"" help:"Run the server: API, projections, reactions."`
	Migrate     migrateCommands    `cmd:"" help:"Bring the database's schema up to date, or look at it."`
	Demo        demoCommand        `cmd:"" help:"Make a demo organisation, or show the one that a seed made."`
	Keys        keysCommands       `cmd:"" help:"Make, list, roll and revoke API keys."`
	Events      eventsCommands     `cmd:"" help:"Read a ledger's events."`
	Invoice     invoiceCommands    `cmd:"" help:"Show invoices."`
	Verify      verifyCommand      `cmd:"" help:"Recompute the hash chains: has anyone changed history?"`
	Erase       eraseCommand       `cmd:"" help:"Erase a person: destroy the keys of what a ledger knows of them."`
	Usage       usageCommands      `cmd:"" help:"Record usage from a file."`
	Billing     billingCommands    `cmd:"" help:"Bill what is due."`
	Projections projectionCommands `cmd:"" help:"Look at the read models, rebuild or check them."`
	Selftest    selftestCommands   `cmd:"" help:"Check the invariants of a database."`
	Doctor      doctorCommand      `cmd:"" help:"Look for what is wrong or not enforced on this installation."`
	Bench       benchCommand       `cmd:"" help:"Measure the product against baselines on this machine."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	ShowVersion showVersion `name:"version" help:"Print the version."`
}

// process is what a subcommand gets of the world around it.
type process struct {
	stdout io.Writer
	stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	uuid.EnableRandPool() // each request has an id: the system is asked for randomness once for sixteen of them
	// The second signal kills: a drain may hang.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, &process{stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// run parses and runs one command line and returns its exit status. ctx ends with SIGINT or SIGTERM.
func run(ctx context.Context, p *process, args []string) int {
	ended := -1
	var c commands
	parser, err := kong.New(&c,
		kong.Name("subledger"),
		kong.Description("An event-sourced subscription ledger.\n\n"+exitHelp),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(code int) { ended = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Bind(p), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err) // a mistake in the structs' tags
	}
	selected, err := parser.Parse(args)
	if ended >= 0 { // --help or --version was printed
		return ended
	}
	if err != nil {
		var wrong *kong.ParseError
		if errors.As(err, &wrong) {
			selected = wrong.Context
		}
		return report(ctx, p, commandOf(selected), &status{code: exitUsage, err: err})
	}
	return report(ctx, p, commandOf(selected), selected.Run())
}

// commandOf is the command line up to the subcommand.
func commandOf(selected *kong.Context) string {
	if selected == nil || selected.Selected() == nil {
		return "subledger"
	}
	return selected.Selected().FullPath()
}
