package handlers

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// idleConns closes the connection that has been idle longest when there are too many, so that ten
// thousand silent clients leave room for those who speak. A new connection that has sent nothing counts.
type idleConns struct {
	most int
	mu   sync.Mutex
	all  *list.List // of net.Conn, longest idle first
	at   map[net.Conn]*list.Element
}

func newIdleConns(most int) *idleConns {
	return &idleConns{most: most, all: list.New(), at: map[net.Conn]*list.Element{}}
}

// changed is http.Server's ConnState.
func (i *idleConns) changed(c net.Conn, state http.ConnState) {
	i.mu.Lock()
	if e, ok := i.at[c]; ok {
		i.all.Remove(e)
		delete(i.at, c)
	}
	var oldest net.Conn
	if state == http.StateIdle || state == http.StateNew {
		i.at[c] = i.all.PushBack(c)
		if i.all.Len() > i.most {
			oldest = i.all.Remove(i.all.Front()).(net.Conn) // now, or a burst would close the same one again and again
			delete(i.at, oldest)
		}
	}
	i.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}
