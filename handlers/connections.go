package handlers

import (
	"net"
	"net/http"
	"sync"
)

// idleConns closes the connection that has been idle longest when there are too many, so that ten
// thousand silent clients leave room for those who speak. A new connection that has sent nothing counts.
type idleConns struct {
	most int
	mu   sync.Mutex
	all  int
	ends idleLink // of a ring: next is idle longest
}

// idleLink is a connection's place among the idle ones. It is part of the connection, since each request takes it out
// and puts it back.
type idleLink struct {
	next, last *idleLink // nil: it is not idle
	conn       *framedConn
}

func newIdleConns(most int) *idleConns {
	i := &idleConns{most: most}
	i.ends.next, i.ends.last = &i.ends, &i.ends
	return i
}

// changed is http.Server's ConnState, for connections of a framedListener.
func (i *idleConns) changed(c net.Conn, state http.ConnState) {
	conn := c.(*framedConn)
	i.mu.Lock()
	i.remove(&conn.idle)
	var oldest *framedConn
	if state == http.StateIdle || state == http.StateNew {
		l := &conn.idle
		l.conn, l.next, l.last = conn, &i.ends, i.ends.last
		l.last.next, i.ends.last = l, l
		if i.all++; i.all > i.most {
			oldest = i.ends.next.conn
			i.remove(i.ends.next) // now, or a burst would close the same one again and again
		}
	}
	i.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}

func (i *idleConns) remove(l *idleLink) {
	if l.next == nil {
		return
	}
	l.next.last, l.last.next = l.last, l.next
	l.next, l.last = nil, nil
	i.all--
}
