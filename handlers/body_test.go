package handlers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

func refusal(t *testing.T, err error) *domain.Error {
	t.Helper()
	e, ok := domain.AsRefusal(err)
	require.True(t, ok, "want a refusal, got %v", err)
	return e
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ body, code, detail string }{
		"B13 cut short":              {`{"a":`, "bad_json", "ends too early"},
		"B13 bare word":              {`nope`, "bad_json", "the body is not JSON that can be read, at byte 1: "},
		"B13 trailing text":          {`{} x`, "bad_json", "at byte"},
		"B13 two documents":          {`{}{}`, "bad_json", "after the end"},
		"B13 byte-order mark":        {"\xef\xbb\xbf{}", "bad_json", "byte-order mark"},
		"B13 trailing comma":         {`{"a":1,}`, "bad_json", "at byte"},
		"B13 comment":                {`{/* */}`, "bad_json", "at byte"},
		"B14 duplicate key":          {`{"a":1,"a":2}`, "duplicate_key", "at byte"},
		"B14 duplicate key, escaped": {`{"a":1,"\u0061":2}`, "duplicate_key", "at byte"},
		"B14 duplicate key, deep":    {`{"x":[{"a":1,"a":2}]}`, "duplicate_key", "at byte"},
		"B15 depth 101":              {strings.Repeat("[", 101) + strings.Repeat("]", 101), "too_deep", "deeper than 100"},
		"B15 depth 10,001":           {strings.Repeat(`{"a":`, 10_001), "too_deep", "deeper than 100"},
		"B15 a million brackets":     {strings.Repeat("[", 1<<20), "too_deep", "deeper than 100"},
		"B19 invalid UTF-8":          {"{\"a\":\"\xff\"}", "bad_json", "UTF-8"},
		"B19 invalid UTF-8 in a key": {"{\"\xff\":1}", "bad_json", "UTF-8"},
		"B19 lone surrogate":         {`{"a":"\ud800"}`, "bad_json", "surrogate"},
		"B19 U+0000":                 {`{"a":"x\u0000"}`, "bad_text", "/a"},
		"B19 U+0000 in a key":        {`{"\u0000":1}`, "bad_text", "U+0000"},
		"a number beyond float64":    {`{"a":1e309}`, "number_out_of_range", "/a"},
		"an endless exponent":        {`{"a":1e99999999999999999999}`, "number_out_of_range", "/a"},
		"an endless number":          {`{"a":` + strings.Repeat("9", 401) + `}`, "number_out_of_range", "/a"},
		"not a number":               {`{"a":01}`, "bad_json", "at byte"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := Parse([]byte(tt.body))
			e := refusal(t, err)
			require.Equal(t, domain.Malformed, e.Kind)
			require.Equal(t, tt.code, e.Code)
			require.Contains(t, e.Detail, tt.detail)
			require.Less(t, time.Since(began), time.Second, "B15: refused at once")
		})
	}
}

func TestParseTakes(t *testing.T) {
	for _, body := range []string{
		`{}`, "\r\n\t {} \n", strings.Repeat("[", 100) + strings.Repeat("]", 100),
		`{"a":"\ud83d\ude00"}`, `{"a":9e307,"b":-0,"c":0.000000000001}`, `null`, `"x"`,
	} {
		_, err := Parse([]byte(body))
		require.NoError(t, err, body)
	}
}

func TestRead(t *testing.T) {
	post := func(body string, header ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	_, err := Read(post(" \n"))
	require.Equal(t, "empty_body", refusal(t, err).Code, "B13")
	b, err := ReadOptional(post(""))
	require.NoError(t, err)
	require.True(t, b.Empty())
	_, err = Read(post(`{}`, "Content-Encoding", "gzip"))
	require.Equal(t, domain.Unsupported, refusal(t, err).Kind, "B17")
	_, err = Read(post(`"` + strings.Repeat("x", MaxBodyBytes) + `"`))
	require.Equal(t, domain.TooLarge, refusal(t, err).Kind)
	chunked := post("")
	chunked.Body, chunked.ContentLength = http.NoBody, -1
	chunked.Body = struct {
		*bytes.Reader
		closer
	}{bytes.NewReader(bytes.Repeat([]byte(" "), MaxBodyBytes+1)), closer{}}
	_, err = Read(chunked)
	require.Equal(t, domain.TooLarge, refusal(t, err).Kind, "without a declared length")
	_, err = Read(post(strings.Repeat(" ", MaxBodyBytes-2) + "{}"))
	require.NoError(t, err, "exactly 1 MiB")
}

type closer struct{}

func (closer) Close() error { return nil }

func TestCanonicalIsOneForm(t *testing.T) {
	for name, group := range map[string][]string{
		"order and space": {`{"a":1,"b":[true,null]}`, "{ \"b\" : [ true , null ],\n\"a\" : 1 }"},
		"numbers":         {`{"n":100}`, `{"n":1e2}`, `{"n":100.00}`, `{"n":1E+2}`, `{"n":0.1e3}`, `{"n":1000e-1}`},
		"zero":            {`[0]`, `[-0]`, `[0.000]`, `[0e9]`},
		"escapes":         {`["é/"]`, `["\u00e9\/"]`},
	} {
		t.Run(name, func(t *testing.T) {
			var first []byte
			for _, text := range group {
				b, err := Parse([]byte(text))
				require.NoError(t, err)
				if first == nil {
					first = b.Canonical()
				}
				require.Equal(t, string(first), string(b.Canonical()), text)
			}
		})
	}
	differ := map[string]string{}
	for _, text := range []string{`{}`, `[]`, `{"a":null}`, `{"a":1}`, `{"a":"1"}`, `{"a":-1}`, `{"a":10}`, `{"a":0.1}`, `[1,2]`, `[12]`, `["1,2"]`, `["a\",\"b"]`, `["a","b"]`} {
		b, err := Parse([]byte(text))
		require.NoError(t, err)
		require.NotContains(t, differ, string(b.Canonical()), text)
		differ[string(b.Canonical())] = text
	}
}

func TestFingerprintTakesMethodPathAndBody(t *testing.T) {
	body, err := Parse([]byte(`{"a":1}`))
	require.NoError(t, err)
	other, err := Parse([]byte(`{"a":2}`))
	require.NoError(t, err)
	post := httptest.NewRequest(http.MethodPost, "/a/b", nil)
	base := Fingerprint(post, body)
	require.Equal(t, base, Fingerprint(httptest.NewRequest(http.MethodPost, "/a/b?dryRun=true", nil), body))
	require.NotEqual(t, base, Fingerprint(httptest.NewRequest(http.MethodPut, "/a/b", nil), body))
	require.NotEqual(t, base, Fingerprint(httptest.NewRequest(http.MethodPost, "/a%2Fb", nil), body))
	require.NotEqual(t, base, Fingerprint(post, other))
	require.NotEqual(t, base, Fingerprint(post, nil))
}

// How long a body takes is the client's time, not the request's.
func TestARequestsTimeBeginsWithItsBody(t *testing.T) {
	t.Parallel()
	var left error
	var body string
	var took time.Duration
	e := newEdge(t, 0, Route{Method: "POST", Path: "/things", Open: true, Serve: func(w http.ResponseWriter, r *http.Request) error {
		data, err := io.ReadAll(r.Body)
		body, left = string(data), errors.Join(err, r.Context().Err())
		took = CallOf(r).receiving
		return JSON(w, http.StatusOK, "done")
	}})
	e.cfg.Timeout = 100 * time.Millisecond
	send := func(end error) {
		in, out := io.Pipe()
		go func() {
			_, _ = io.WriteString(out, `{"a":`)
			time.Sleep(2 * e.cfg.Timeout)
			_, _ = io.WriteString(out, `1}`)
			_ = out.CloseWithError(end)
		}()
		r := httptest.NewRequest("POST", "/ledger/v1/things", in)
		r.Header.Set("Content-Type", "application/json")
		e.ServeHTTP(httptest.NewRecorder(), r)
	}
	send(nil)
	require.NoError(t, left)
	require.Equal(t, `{"a":1}`, body)
	require.GreaterOrEqual(t, took, 2*e.cfg.Timeout)
	send(io.ErrUnexpectedEOF)
	require.ErrorIs(t, left, io.ErrUnexpectedEOF, "what came instead of the end is not lost")
	require.Equal(t, `{"a":1}`, body)
}
