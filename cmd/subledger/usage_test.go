package main_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type importOutput struct {
	LedgerUUID                           string
	Rows, Recorded, Duplicates, Rejected int
	RejectsFile                          *string
	Rejects                              []struct {
		Line              int
		Key, Code, Detail string
	}
}

// total is what a licence of the demo used.
func (s *serving) total(d demoOutput, license string) string {
	s.t.Helper()
	status, body := s.call("GET", "/licenses/"+license+"/usage", d.Keys.Test, "")
	require.Equal(s.t, 200, status, "%s", body)
	return fmt.Sprint(parse[struct{ UnitCount any }](s.t, body).UnitCount)
}

func TestUsageImport(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	d := parse[demoOutput](t, c.ok("demo", "-o", "json"))
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "usage.csv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	good := "\ufeffLicense,grantee,plan,quantity,key,subscription,at\r\n" +
		d.MeteredLicense + ",,,5,a,,\r\n" +
		`,` + d.Grantees[2] + `,` + d.Plans.Metered + `,"2",b,,` + "\r\n\r\n" +
		",,,3,c," + d.Subscription + ",\r\n"
	args := []string{"usage", "import", "--mode", "test"}
	require.Equal(t, "3 rows: 3 recorded, 0 duplicates, 0 rejected\n", c.ok(append(args, file(good))...))
	require.NoFileExists(t, filepath.Join(dir, "usage.csv.rejects.csv"))

	bad := good + // from line 6 on
		d.MeteredLicense + ",,,x,d,,\n" +
		d.MeteredLicense + ",,,1\n" +
		d.MeteredLicense + `,,,1,"e,,` + "\n" +
		d.MeteredLicense + ",,,1,f,,2001-01-01T00:00:00Z\n" +
		",,,1," + strings.Repeat("g", 70_000) + "," + d.Subscription + ",\n" +
		d.MeteredLicense + ",,,9,a,,\n" +
		d.MeteredLicense + ",,,1,last,," // without a line end
	r := c.fails(5, append(args, "-o", "json", file(bad))...)
	out := parse[importOutput](t, r.stdout)
	require.Equal(t, []int{10, 1, 3, 6}, []int{out.Rows, out.Recorded, out.Duplicates, out.Rejected})
	var lines, codes []string
	for _, reject := range out.Rejects {
		lines, codes = append(lines, fmt.Sprint(reject.Line, " ", reject.Key)), append(codes, reject.Code)
	}
	require.Equal(t, []string{"6 d", "7 ", "8 ", "9 f", "10 ", "11 a"}, lines)
	require.Equal(t, []string{"bad_decimal", "bad_line", "bad_line", "no_access_then", "bad_line", "key_reused"}, codes)
	listed, err := os.ReadFile(*out.RejectsFile)
	require.NoError(t, err)
	require.Equal(t, 7, bytes.Count(listed, []byte("\n")), "%s", listed)
	require.Contains(t, string(listed), "\n9,f,no_access_then,")

	// From the standard input, rejected rows stand on the standard output.
	cmd := c.command(t.Context(), append(args, "-")...)
	cmd.Stdin = strings.NewReader("key,quantity,license\nz,1," + d.Product + "\n")
	listed, _ = cmd.Output()
	require.Equal(t, 5, cmd.ProcessState.ExitCode())
	require.True(t, strings.HasPrefix(string(listed), "line,key,code,detail\n2,z,no_license,"), "%s", listed)

	for text, says := range map[string]string{"": "empty", "key,quantity\n": "whose usage", "key,license\n": "quantity", "key,quantity,license,color\n": "color", "key,key,quantity,license\n": "twice"} {
		require.Contains(t, c.fails(2, append(args, file(text))...).stderr, says, "%q", text)
	}
	c.fails(2, append(args, filepath.Join(dir, "none.csv"))...)
	require.Equal(t, "8", c.serve().total(d, d.MeteredLicense))
}

// What a request can't hold rejects its row and not the file; what is listed is no formula; and a list of another run stays.
func TestUsageImportRejectsTheRowAlone(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	d := parse[demoOutput](t, c.ok("demo", "-o", "json"))
	const rows, bad = 2500, 1501 // breaker 14
	path := filepath.Join(t.TempDir(), "usage.csv")
	var text bytes.Buffer
	text.WriteString("key,quantity,license\n")
	for i := range rows {
		key := fmt.Sprint("k", i+1)
		if i+1 == bad {
			key = "k\x00y"
		}
		fmt.Fprintf(&text, "%s,1,%s\n", key, d.MeteredLicense)
	}
	fmt.Fprintf(&text, "k\xff,1,%s\n", d.MeteredLicense)
	fmt.Fprintf(&text, "\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",many,%s\n", d.MeteredLicense) // breaker 15
	fmt.Fprintf(&text, "-12.5,many,%s\n@12,many,%[1]s\n", d.MeteredLicense)
	require.NoError(t, os.WriteFile(path, text.Bytes(), 0o600))

	r := c.fails(5, "usage", "import", "--mode", "test", path)
	require.Equal(t, "2504 rows: 2499 recorded, 0 duplicates, 5 rejected\n", r.stdout)
	listed, err := os.ReadFile(path + ".rejects.csv")
	require.NoError(t, err)
	require.Equal(t, `line,key,code,detail
1502,k\x00y,bad_line,key holds U+0000
2502,k\ufffd,bad_line,key is not UTF-8
2503,"'=HYPERLINK(""http://x"",""y"")",bad_decimal,is not a number
2504,-12.5,bad_decimal,is not a number
2505,'@12,bad_decimal,is not a number
`, string(listed))

	// Sent to the wrong ledger (newuser 26) it says which may be the right one, and the list stays.
	r = c.fails(5, "usage", "import", path)
	require.Contains(t, r.stderr, path+".rejects.2.csv")
	require.NotContains(t, r.stderr, "--mode test", "five rows are wrong by themselves")
	require.NoError(t, os.WriteFile(path, []byte("key,quantity,license\na,1,"+d.MeteredLicense+"\nb,1,"+d.MeteredLicense+"\n"), 0o600))
	r = c.fails(5, "usage", "import", path)
	require.Contains(t, r.stderr, "2 rows rejected: the live ledger knows nothing that they name\n  See: "+path+".rejects.3.csv\n  For the test one: --mode test\n")
	still, err := os.ReadFile(path + ".rejects.csv")
	require.NoError(t, err)
	require.Equal(t, listed, still)

	// A list that was asked for by its name is that of the last run.
	named := filepath.Join(t.TempDir(), "bad.csv")
	for range 2 {
		c.fails(5, "usage", "import", "--rejects", named, path)
	}
	require.Equal(t, named, *parse[importOutput](t, c.fails(5, "usage", "import", "-o", "json", "--rejects", named, path).stdout).RejectsFile)
	require.NoFileExists(t, named+".rejects.csv")
}

// A run that is killed in the middle and begun again leaves each record counted once.
func TestUsageImportGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.serve()
	d := parse[demoOutput](t, c.ok("demo", "-o", "json"))
	const rows = 10_000
	path := filepath.Join(t.TempDir(), "usage.csv")
	var text bytes.Buffer
	text.WriteString("key,quantity,license\n")
	for i := range rows {
		fmt.Fprintf(&text, "k%d,1,%s\n", i, d.MeteredLicense)
	}
	require.NoError(t, os.WriteFile(path, text.Bytes(), 0o600))
	before := s.total(d, d.MeteredLicense)
	require.Equal(t, "0", before)

	// The rest of the file never comes, so that it is killed in the middle however fast it is.
	run := c.command(t.Context(), "usage", "import", "--mode", "test", "-")
	feed, err := run.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, run.Start())
	go func() { _, _ = feed.Write(text.Bytes()[:text.Len()/3]) }()
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.NotEqual(t, "0", s.total(d, d.MeteredLicense)) }, time.Minute, time.Millisecond)
	require.NoError(t, run.Process.Kill())
	require.Error(t, run.Wait())

	out := parse[importOutput](t, c.ok("usage", "import", "--mode", "test", "-o", "json", path))
	require.Equal(t, rows, out.Rows)
	require.Positive(t, out.Duplicates, "some were there")
	require.Positive(t, out.Recorded, "and some were not")
	require.Equal(t, rows, out.Recorded+out.Duplicates)
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.Equal(t, fmt.Sprint(rows), s.total(d, d.MeteredLicense)) }, time.Minute, 10*time.Millisecond)
	again := parse[importOutput](t, c.ok("usage", "import", "--mode", "test", "-o", "json", path))
	require.Equal(t, rows, again.Duplicates)
	c.ok("verify")
}
