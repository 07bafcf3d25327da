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
	Format string `name:"output" short:"o" enum:"table,json" default:"table" placeholder:"table|json" help:"How to answer: table for people, which is the default, or json for scripts."`
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

// writeTable prints rows for people. Cells may come from clients: they can't steer the terminal. On a
// terminal a table with a header is cut to the width; one without is a record, whose values are for copying.
func (p *process) writeTable(header []string, rows [][]string) {
	width := p.width()
	if header == nil {
		width = 0
	}
	for _, line := range tableLines(header, rows, width) {
		fmt.Fprintln(p.stdout, line)
	}
}

// hang breaks a table's line after its columns up to indent, at words, so that its last one is read whole.
func hang(line string, indent, width int) string {
	const least = 20
	if width-indent < least || text.StringWidthWithoutEscSequences(line) <= width || len(line) <= indent {
		return line
	}
	wrapped := strings.ReplaceAll(text.WrapSoft(line[indent:], width-indent), " \n", "\n")
	return line[:indent] + strings.ReplaceAll(wrapped, "\n", "\n"+strings.Repeat(" ", indent))
}

// width is the terminal's, 0 without one.
func (p *process) width() int {
	f, ok := p.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// cut shortens a line to a width in columns; 0 is as long as it likes.
func cut(line string, width int) string {
	if width <= 0 {
		return line
	}
	return text.Snip(line, width, "…")
}

const gap = "  " // between columns

// tableLines lays rows out, at most width columns wide if that is not 0.
func tableLines(header []string, rows [][]string, width int) (lines []string) {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", gap
	t.SetStyle(style)
	if header != nil {
		t.AppendHeader(cells(header))
	}
	all := make([]table.Row, len(rows))
	for i, row := range rows {
		all[i] = cells(row)
	}
	if width > 0 {
		narrow(all, width)
	}
	t.AppendRows(all)
	for line := range strings.Lines(t.Render() + "\n") {
		lines = append(lines, cut(strings.TrimRight(line, " \n"), width))
	}
	return lines
}

// narrow cuts the widest columns, the last of them first, until a row fits. None gets too narrow to
// recognise what it holds, and the first stays: what is too wide even so is cut at the end of its line.
func narrow(rows []table.Row, width int) {
	const least = 16
	var widths []int
	total := 0
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], text.LongestLineLen(cell.(string)))
		}
	}
	for _, w := range widths {
		total += w + len(gap)
	}
	for total -= len(gap); total > width; total-- {
		widest := 0
		for i := 1; i < len(widths); i++ {
			if widths[i] > least && (widest == 0 || widths[i] >= widths[widest]) {
				widest = i
			}
		}
		if widest == 0 {
			break
		}
		widths[widest]--
	}
	for _, row := range rows {
		for i := 1; i < len(row); i++ {
			parts := strings.Split(row[i].(string), "\n")
			for j, part := range parts {
				parts[j] = cut(part, widths[i])
			}
			row[i] = strings.Join(parts, "\n")
		}
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
// Line breaks stay, a tab is a space.
func printable(s string) string {
	clean := func(r rune) bool {
		return r == '\n' || r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) && r != unicode.ReplacementChar
	}
	s = strings.ReplaceAll(s, "\t", " ")
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
