package handlers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

// Whatever the bytes: no panic, refusals only, and what is taken is JSON to Go as well, has one
// canonical form however it is laid out, and can be asked for anything.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"a":1,"A":2}`, `[1e5,-0,"x"]`, `{"a":{"b":[null,true,1.5]}}`, `{"a":"\ud800"}`, `{"a":1,"a":1}`, "\xff", `1e400`, `{"t":"2026-02-30T00:00:00Z"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse(data)
		if err != nil {
			e, ok := domain.AsRefusal(err)
			require.True(t, ok, "%v", err)
			require.True(t, utf8.ValidString(e.Detail))
			return
		}
		if !b.Empty() {
			var spaced bytes.Buffer
			require.NoError(t, json.Indent(&spaced, data, " ", "\t"))
			same, err := Parse(spaced.Bytes())
			require.NoError(t, err)
			require.Equal(t, string(b.Canonical()), string(same.Canonical()), "white space says nothing")
		}
		again, err := Parse(b.Canonical())
		if err == nil { // the form quotes as Go does, which is not always JSON
			require.Equal(t, string(b.Canonical()), string(again.Canonical()))
		}
		o := b.Object()
		o.String("a", Required, Line, MaxBytes(3))
		o.Int("a", Min(0), OrText)
		o.Decimal("a", Places(4))
		o.Time("t")
		o.UUID("a")
		o.Bool("a")
		o.Enum("a", []string{"x"})
		for _, v := range o.List("a") {
			v.Object().Unknown()
		}
		o.Object("a").Unknown()
		o.Unknown()
		if err := b.Err(); err != nil {
			for _, field := range refused(err).Fields {
				require.True(t, utf8.ValidString(field.Pointer))
			}
		}
	})
}

func refused(err error) *domain.Error {
	e, _ := domain.AsRefusal(err)
	return e
}

// A query is refused as Malformed or read; a cursor is taken where it was made, and nowhere else.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=1", "a=%zz", "a=1&a=2", "a=%00", "a;b", "%ff=1", "limit=-1e99", "cursor=AAAA", "b=true&cursor=", "from=2026-01-31T00:00:00%2B01:00"} {
		f.Add(seed, "AAAAAAAAAAAAAAAA", int64(7))
	}
	c := cursors{[]byte("a secret")}
	f.Fuzz(func(t *testing.T, raw, forged string, position int64) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: "/events", RawQuery: raw}
		r = r.WithContext(withCaller(r.Context(), uuid.UUID{1}))
		q, err := ReadQuery(r)
		if err != nil {
			require.Equal(t, domain.Malformed, refused(err).Kind)
			return
		}
		made, err := c.make(r, position)
		require.NoError(t, err)
		for _, cursor := range []string{made, forged} {
			values := r.URL.Query()
			values.Set("cursor", cursor)
			asked := *r
			asked.URL = &url.URL{Path: r.URL.Path, RawQuery: values.Encode()}
			var next int64
			again, err := ReadQuery(&asked)
			if err != nil { // B19
				require.Equal(t, forged, cursor)
				continue
			}
			c.read(again, &asked, &next)
			if err := again.Err(); cursor == made {
				require.NoError(t, err)
				require.Equal(t, position, next)
			} else if strings.TrimSpace(forged) != "" {
				require.Error(t, err, "a forged cursor was taken: %q", forged)
			}
			for _, other := range []*http.Request{asked.WithContext(withCaller(r.Context(), uuid.UUID{2})), {URL: &url.URL{Path: "/other", RawQuery: asked.URL.RawQuery}}} {
				if other.Method == "" {
					other = (&http.Request{URL: other.URL}).WithContext(r.Context())
				}
				elsewhere, err := ReadQuery(other)
				require.NoError(t, err)
				c.read(elsewhere, other, &next)
				if cursor != "" {
					require.Error(t, elsewhere.Err(), "a cursor of another ledger or list was taken")
				}
			}
		}
		q.Int("limit", Min(1), Max(100))
		q.Time("from")
		q.Bool("b")
		q.Strict()
		if err := q.Err(); err != nil {
			require.Equal(t, domain.Malformed, refused(err).Kind)
		}
	})
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// Numbers, instants, ids and durations that are taken mean what Go's own types make of them, exactly.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"0", "-0", "1e5", "-12.50", "9223372036854775807", "9223372036854775808", "1e-20", "0.1e3", "2026-01-31T09:00:00Z", "2024-02-29T23:59:59.999999+14:00", "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999Z", "0190a0b2-7e1f-7000-8000-000000000001", "24h", "PT24H", "P9999DT99999H9999999M999999999S", "1.5h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := func() (Value, *collector) {
			c := &collector{}
			return Value{c: c, name: "a", at: -1, node: &node{kind: '"', text: text}}, c
		}
		v, c := value()
		if at := v.Time(); c.Err() == nil {
			require.False(t, at.IsZero())
			require.Equal(t, time.UTC, at.Location())
			require.Zero(t, at.Nanosecond()%1000)
			again, err := time.Parse(time.RFC3339Nano, at.Format(time.RFC3339Nano))
			require.NoError(t, err)
			require.True(t, at.Equal(again))
			whole, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			require.True(t, at.Equal(whole), "nothing was cut")
		}
		v, c = value()
		if id := v.UUID(); c.Err() == nil && id != uuid.Max {
			require.Equal(t, strings.ToLower(text), id.String())
		}
		v, c = value()
		if d := readDuration(v); c.Err() == nil {
			require.GreaterOrEqual(t, d, time.Duration(0))
		}
		if !jsonNumber.MatchString(text) {
			return
		}
		n, ok := parseNumber(text)
		if !ok || n.exp > 1000 || n.exp < -1000 {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		got, ok := new(big.Rat).SetString(n.String())
		require.True(t, ok, n.String())
		require.Zero(t, want.Cmp(got), "%s is %s", text, n.String())
		i, whole, fits := n.integer()
		require.Equal(t, want.IsInt(), whole)
		require.Equal(t, want.IsInt() && want.Num().IsInt64(), whole && fits)
		if whole && fits {
			require.Equal(t, want.Num().Int64(), i)
		}
		v, c = value()
		if d := v.Decimal(); c.Err() == nil {
			require.Zero(t, want.Cmp(d.Rat()), "%s is %s", text, d)
		}
	})
}

// scripted is a connection whose other end says what a test wants, in pieces of the sizes it wants.
type scripted struct {
	net.Conn
	rest  []byte
	sizes []byte
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(s.rest))
	if len(s.sizes) > 0 {
		n = min(n, 1+int(s.sizes[0]))
		s.sizes = append(s.sizes[1:], s.sizes[0])
	}
	copy(p, s.rest[:n])
	s.rest = s.rest[n:]
	return n, nil
}

var (
	lengths = regexp.MustCompile(`(?im)^content-length[ \t]*:`)
	codings = regexp.MustCompile(`(?im)^transfer-encoding[ \t]*:`)
	folded  = regexp.MustCompile(`\n[ \t]`)
)

// Whatever comes over a connection, in whatever pieces: a request that net/http makes of it says its
// length once, in one way, on one line.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", wireHead + "Content-Length: 2\r\n\r\n{}" + wireHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		wireHead + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", wireHead + "X: a\r\n b\r\n\r\n", wireHead + "content-length:\t2 \r\n\r\n{}GET / HTTP/1.0\n\n",
		wireHead + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
		f.Add([]byte(seed), []byte{3, 0, 70})
	}
	f.Fuzz(func(t *testing.T, raw, sizes []byte) {
		read := func(sizes []byte) (requests []string, refused bool) {
			c := &framedConn{Conn: &scripted{rest: bytes.Clone(raw), sizes: bytes.Clone(sizes)}, length: -1}
			seen := &countingReader{r: c}
			b := bufio.NewReader(seen)
			for {
				start := seen.n - b.Buffered()
				r, err := http.ReadRequest(b)
				if err != nil {
					return requests, c.refused
				}
				head := string(raw[start : seen.n-b.Buffered()])
				require.LessOrEqual(t, len(lengths.FindAllString(head, -1))+len(codings.FindAllString(head, 1)), 1, "%q", head)
				require.False(t, folded.MatchString(strings.TrimPrefix(head, "\n")), "%q", head)
				require.True(t, len(r.TransferEncoding) > 0 || !codings.MatchString(head), "%q has a coding that was passed over", head)
				body, err := io.ReadAll(r.Body)
				requests = append(requests, head+string(body))
				if err != nil || len(r.TransferEncoding) > 0 { // dispatch closes the connection
					return requests, c.refused
				}
			}
		}
		whole, _ := read(nil)
		pieces, _ := read(sizes)
		require.Equal(t, whole, pieces, "what comes in pieces is read alike")
	})
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// TestFuzzersAreFew keeps to what CI has time for: ten seconds each.
func TestFuzzersAreFew(t *testing.T) {
	n := 0
	for _, file := range goTests(t, "..") {
		n += strings.Count(file, "\nfunc Fuzz")
	}
	require.LessOrEqual(t, n, 10, strconv.Itoa(n)+" fuzzers")
}

// goTests is the text of every test file below a folder.
func goTests(t *testing.T, root string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, string(text))
		return err
	}))
	return all
}

// withCaller is a context whose request came with a key of a ledger.
func withCaller(ctx context.Context, ledger uuid.UUID) context.Context {
	return context.WithValue(ctx, callKey{}, &Call{Caller: Caller{Ledger: ledger}})
}
