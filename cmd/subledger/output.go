package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Output says how a subcommand answers.
type Output struct {
	Format string `name:"output" short:"o" enum:"table,json" default:"table" help:"How to answer: table for people, json for scripts."`
}

func (o Output) json() bool { return o.Format == "json" }

// writeJSON prints one value on a line of its own.
func (p *process) writeJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// say prints one line for people; a script reads the standard output alone.
func (p *process) say(format string, args ...any) {
	fmt.Fprintln(p.stderr, printable(fmt.Sprintf(format, args...)))
}

// writeTable prints rows for people. Cells may come from clients: they can't steer the terminal.
func (p *process) writeTable(header []string, rows [][]string) {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	if header != nil {
		t.AppendHeader(cells(header))
	}
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	for line := range strings.Lines(t.Render() + "\n") {
		fmt.Fprintln(p.stdout, strings.TrimRight(line, " \n"))
	}
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, s := range texts {
		row[i] = printable(s)
	}
	return row
}

// printable shows control and formatting characters, terminal escapes among them, as what they are.
// Line breaks stay.
func printable(s string) string {
	clean := func(r rune) bool {
		return r == '\n' || r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) && r != unicode.ReplacementChar
	}
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case clean(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// count is a number and its noun: 1 ledger, 2 ledgers.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// progress tells how far something is that may take longer than a second: as a bar on a terminal,
// otherwise as a line a second at most.
type progress struct {
	what string
	to   io.Writer
	bar  *progressbar.ProgressBar
	last time.Time
}

func (p *process) progress(what string) *progress {
	g := &progress{what: what, to: p.stderr, last: time.Now()}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		g.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetRenderBlankState(false))
	}
	return g
}

// at moves to done of total; a total of 0 is nothing to do.
func (g *progress) at(done, total int64) {
	if total <= 0 {
		return
	}
	if g.bar != nil {
		if g.bar.GetMax64() != total {
			g.bar.ChangeMax64(total)
		}
		_ = g.bar.Set64(min(done, total)) // it only draws
		return
	}
	if time.Since(g.last) >= time.Second {
		g.last = time.Now()
		fmt.Fprintf(g.to, "%s: %d of %d\n", g.what, done, total)
	}
}

// end removes the bar.
func (g *progress) end() {
	if g.bar != nil {
		_ = g.bar.Finish()
	}
}
