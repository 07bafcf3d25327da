package handlers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

// framedListener refuses requests whose end two readers may see at different places (RFC 9112, sections
// 5.2, 6.1, 6.3) where net/http picks one and says nothing: a proxy before us may have picked the other.
type framedListener struct{ net.Listener }

func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	framed := &framedConn{Conn: c, length: -1}
	framed.reads.set, framed.writes.set = c.SetReadDeadline, c.SetWriteDeadline
	return framed, nil
}

// poison ends a head so that net/http answers 400 and closes the connection.
const poison = "\x00\r\n\r\n"

// longestFraming bounds what is kept of a line that comes in pieces, and with it Content-Length's.
const longestFraming = 128

// framedConn watches the heads of the requests that pass through it. It follows bodies by their length;
// after a chunked one it looks no more, since dispatch closes the connection then.
type framedConn struct {
	net.Conn
	reads    deadline
	writes   deadline
	idle     idleLink
	body     int64  // bytes of the body that are still to come
	unread   bool   // nothing more is looked at
	later    bool   // the line at hand is not the head's first
	old      bool   // HTTP/1.0 or before
	length   int64  // this head's Content-Length, -1 for none
	chunked  bool   // this head has a Transfer-Encoding
	piece    []byte // of the line at hand, when it comes in pieces
	poisoned []byte // what is read instead of the connection; empty: it has ended
	refused  bool
}

func (c *framedConn) Read(p []byte) (int, error) {
	if c.refused {
		if len(c.poisoned) == 0 {
			return 0, io.EOF
		}
		n := copy(p, c.poisoned)
		c.poisoned = c.poisoned[n:]
		return n, nil
	}
	n, err := c.reads.do(p, c.Conn.Read)
	if n == 0 || c.unread {
		return n, err
	}
	if good := c.watch(p[:n]); good < n {
		c.refused, c.poisoned = true, []byte(poison)
		if good == 0 {
			return c.Read(p)
		}
		return good, nil
	}
	return n, err
}

func (c *framedConn) Write(p []byte) (int, error) { return c.writes.do(p, c.Conn.Write) }

// SetReadDeadline implements net.Conn.
func (c *framedConn) SetReadDeadline(t time.Time) error { return c.reads.move(t) }

// SetWriteDeadline implements net.Conn.
func (c *framedConn) SetWriteDeadline(t time.Time) error { return c.writes.move(t) }

// SetDeadline implements net.Conn.
func (c *framedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.reads.move(t), c.writes.move(t))
}

// CloseWrite lets net/http end a connection without a reset that would take the answer along.
func (c *framedConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// watch tells how much of data net/http may see: all of it, or what stands before the end of the bad line.
func (c *framedConn) watch(data []byte) int {
	for at := 0; at < len(data); {
		if c.unread {
			break
		}
		if c.body > 0 {
			skip := min(c.body, int64(len(data)-at))
			c.body -= skip
			at += int(skip)
			continue
		}
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			c.keep(data[at:])
			break
		}
		line := data[at : at+end]
		if len(c.piece) > 0 {
			c.keep(line)
			line = c.piece
		}
		ok := c.line(bytes.TrimSuffix(line, []byte("\r")))
		c.piece = c.piece[:0]
		if !ok {
			return at
		}
		at += end + 1
	}
	return len(data)
}

// keep remembers the begin of a line that is not whole yet; of a head's first line its end, the version.
func (c *framedConn) keep(part []byte) {
	if c.later {
		c.piece = append(c.piece, part[:min(len(part), longestFraming+1-len(c.piece))]...)
		return
	}
	c.piece = append(c.piece, part[max(0, len(part)-longestFraming):]...)
	c.piece = c.piece[max(0, len(c.piece)-longestFraming):]
}

// line looks at a line of a head; false: the request must not be read.
func (c *framedConn) line(line []byte) bool {
	switch {
	case !c.later:
		c.later, c.old = true, !bytes.HasSuffix(line, []byte("HTTP/1.1"))
		return true
	case len(line) == 0: // the end of the head
		good := !c.chunked || c.length < 0 && !c.old
		c.body, c.unread = max(0, c.length), c.chunked
		c.later, c.length, c.chunked = false, -1, false
		return good
	case line[0] == ' ', line[0] == '\t': // a folded line
		return false
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return true // net/http refuses it
	}
	switch value := line[colon+1:]; {
	case colon == len("content-length") && bytes.EqualFold(line[:colon], []byte("content-length")):
		n, err := strconv.ParseUint(string(bytes.Trim(value, " \t")), 10, 63)
		if err != nil || c.length >= 0 || len(line) > longestFraming {
			return false
		}
		c.length = int64(n)
	case colon == len("transfer-encoding") && bytes.EqualFold(line[:colon], []byte("transfer-encoding")):
		c.chunked = true
	}
	return true
}
