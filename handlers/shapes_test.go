package handlers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"
)

// What is found by its shape is what the router would have found, with the same variables; what has no shape is
// left to it.
func TestShapesAreTheRoutersOwn(t *testing.T) {
	t.Parallel()
	found := ""
	answer := func(name string) func(http.ResponseWriter, *http.Request) error {
		return func(_ http.ResponseWriter, r *http.Request) error {
			found = name
			for _, v := range []string{"uuid", "id", "text"} {
				if value, ok := mux.Vars(r)[v]; ok {
					found += " " + v + "=" + value
				}
			}
			return nil
		}
	}
	var routes []Route
	for _, path := range []string{"/things", "/things/special", "/things/{uuid}", "/things/{uuid}/parts/{id}", "/texts/{text}", "/numbers/{id:[0-9]+}", "/things/{id}"} {
		routes = append(routes, Route{Method: "GET", Path: path, Open: true, Serve: answer(path)})
	}
	routes = append(routes, Route{Method: "POST", Path: "/things/{uuid}", Open: true, Serve: answer("post")})
	e := newEdge(t, 0, routes...)
	m := e.mountOf(httptest.NewRequest("GET", "/ledger/v1/things", http.NoBody))
	id, other := uuid.NewString(), strings.ToUpper(uuid.NewString())
	shaped := 0
	for _, path := range []string{"/things", "/things/special", "/things/" + id, "/things/" + other, "/things/" + id + "/parts/" + other, "/texts/" + id,
		"/texts/word", "/things/{}", "/things/{}/parts/" + id, "/things/" + id + "/parts/{}", "/things/" + id + "/", "/things//" + id, "/" + id,
		"/numbers/7", "/numbers/" + id, "/things/%7B%7D", "/things/" + id + "%2F", "/things/" + id + "/parts", "/" + id + "/" + id} {
		for _, method := range []string{"GET", "POST", "HEAD", "DELETE"} {
			found = ""
			with := e.do(method, "/ledger/v1"+path, "")
			quick := found
			shapes := m.shapes
			m.shapes = nil
			found = ""
			without := e.do(method, "/ledger/v1"+path, "")
			m.shapes = shapes
			require.Equal(t, found, quick, "%s %s", method, path)
			require.Equal(t, without.Code, with.Code, "%s %s", method, path)
			r, err := http.NewRequest(method, "/ledger/v1"+path, nil)
			require.NoError(t, err)
			if h, _ := m.byShape(r); h != nil {
				shaped++
			}
		}
	}
	require.Equal(t, 6, shaped, "both ways were tried")
}
