package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// stampMark is what a template has where each request gets a number of its own.
const stampMark = "################"

// template is a request as it goes over the wire. One client at a time uses it.
type template struct {
	text  []byte
	marks []int
}

// newTemplate builds a request with its headers, given in pairs; the body may be empty.
func newTemplate(method, host, path, key, body string, headers ...string) *template {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Api-Key: %s\r\n", method, path, host, key)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	t := &template{text: b.Bytes()}
	for at := 0; ; {
		i := bytes.Index(t.text[at:], []byte(stampMark))
		if i < 0 {
			return t
		}
		t.marks = append(t.marks, at+i)
		at += i + len(stampMark)
	}
}

// stamp numbers the marks n, n+1, … and gives the request.
func (t *template) stamp(n uint64) []byte {
	for i, at := range t.marks {
		v := n + uint64(i)
		for j := at + len(stampMark) - 1; j >= at; j-- {
			t.text[j] = byte('0' + v%10)
			v /= 10
		}
	}
	return t.text
}

// conn is one keep-alive connection. It reads status lines, Content-Length and chunked bodies, which is
// all that net/http's server sends to an HTTP/1.1 client.
type conn struct {
	net.Conn
	in       *bufio.Reader
	body     []byte
	position int64 // of the last answer's header Ledger-Position
}

// answerTime is how long a client waits for one answer.
const answerTime = 20 * time.Second

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

// do sends a request and reads its answer; the body is valid until the next one.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, fmt.Errorf("no status line: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("no status: %q", line)
	}
	length, chunked := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(": ")); {
		case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, fmt.Errorf("bad length: %w", err)
			}
		case len(name) == len("Ledger-Position") && bytes.EqualFold(name, []byte("Ledger-Position")):
			c.position, _ = strconv.ParseInt(string(value), 10, 64) // ours are numbers
		case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	c.body = c.body[:0]
	if !chunked {
		return status, c.body, c.read(length)
	}
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		n, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil {
			return 0, nil, fmt.Errorf("bad chunk: %w", err)
		}
		if err := c.read(int(n)); err != nil {
			return 0, nil, err
		}
		if line, err = c.in.ReadSlice('\n'); err != nil || len(line) > 2 {
			return 0, nil, errors.Join(err, errors.New("a chunk is longer than it says, or has trailers"))
		}
		if n == 0 {
			return status, c.body, nil
		}
	}
}

// read appends n bytes to the body.
func (c *conn) read(n int) error {
	at := len(c.body)
	if cap(c.body) < at+n {
		c.body = append(make([]byte, 0, 2*(at+n)), c.body...)
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.in, c.body[at:])
	return err
}
