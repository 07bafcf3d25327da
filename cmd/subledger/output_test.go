package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"
)

func TestB71_TablesCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &process{stdout: &out, stderr: &out}
	p.writeTable([]string{"name"}, [][]string{{"\x1b[2Jwiped\u202e\u0085\x00"}, {"Zoë 株式会社"}})
	p.say("and a \x1b]0;title\x07 here")
	require.True(t, strings.HasPrefix(out.String(), "name\n"))
	require.Contains(t, out.String(), `\x1b[2Jwiped\u202e\x85\x00`)
	require.Contains(t, out.String(), "Zoë 株式会社")
	require.Contains(t, out.String(), `and a \x1b]0;title\x07 here`)
	require.NotContains(t, out.String(), "\x1b")
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	header := []string{"id", "name", "data"}
	rows := [][]string{{"0123456789", "short", strings.Repeat("long ", 30)}, {"1", "株式会社", "x"}}
	require.Equal(t, "0123456789  short     "+strings.TrimSpace(strings.Repeat("long ", 30)), tableLines(header, rows, 0)[1], "whole without a terminal")
	require.Equal(t, "0123456789  short     long long long lo…", tableLines(header, rows, 40)[1])
	for _, width := range []int{5, 20, 40, 80} {
		for _, line := range tableLines(header, rows, width) {
			require.LessOrEqual(t, text.StringWidthWithoutEscSequences(line), width)
		}
	}
	require.Equal(t, "a b", printable("a\tb"))
}

func TestTheLastColumnIsReadWhole(t *testing.T) {
	t.Parallel()
	require.Equal(t, "disk  what is found there\n      is long", hang("disk  what is found there is long", 6, 26))
	require.Equal(t, "disk  what is found there is long", hang("disk  what is found there is long", 6, 0), "without a terminal")
	require.Equal(t, "disk  short", hang("disk  short", 6, 26))
}

func TestATurnedTableHasAColumnForEachRow(t *testing.T) {
	t.Parallel()
	header, rows := turned([]string{"clients", "rate"}, [][]string{{"1", "10/s"}, {"32", "99/s"}})
	require.Equal(t, []string{"clients  1     32", "rate     10/s  99/s"}, tableLines(header, rows, 0))
}

func TestProgressWithoutATerminalIsPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := (&process{stderr: &out}).progress("verify")
	g.at(0, 0)
	g.at(5, 10)
	require.Empty(t, out.String(), "nothing before a second has passed")
	g.last = g.last.Add(-2e9)
	g.at(6, 10)
	g.at(7, 10)
	g.end()
	require.Equal(t, "verify: 6 of 10\n", out.String())
}

func TestShorten(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", shorten("abc", 3))
	require.Equal(t, "ab…", shorten("abc", 2))
	require.Equal(t, "a…", shorten("aé", 2))
}
