package salable_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// atOnce sends n requests together and counts the answers by status.
func atOnce(n int, send func(i int) int) map[int]int {
	var all sync.WaitGroup
	start, statuses := make(chan struct{}), make([]int, n)
	for i := range n {
		all.Go(func() {
			<-start
			statuses[i] = send(i)
		})
	}
	close(start)
	all.Wait()
	counted := map[int]int{}
	for _, s := range statuses {
		counted[s]++
	}
	return counted
}

func TestAHundredIncrementsAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, "")
	path := "/subscriptions/" + sub
	got := atOnce(100, func(int) int { return g.call(t, g.test, "POST", path+"/seats", `{"increment":1}`).status })
	require.Equal(t, map[int]int{http.StatusCreated: 100}, got)
	require.Equal(t, "102", g.call(t, g.test, "GET", path, "").want(200).text("quantity"))
	require.Equal(t, "102", g.call(t, g.test, "GET", "/licenses/count?status=active&subscriptionUuid="+sub, "").want(200).text("count"))
}

func TestB47_TheLastSeatIsGivenOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, `,"quantity":149`)
	path := "/subscriptions/" + sub
	got := atOnce(2, func(int) int { return g.call(t, g.test, "POST", path+"/seats", `{"increment":1}`).status })
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusBadRequest: 1}, got)
	require.Equal(t, "150", g.call(t, g.test, "GET", path, "").want(200).text("quantity"))

	got = atOnce(30, func(int) int { return g.call(t, g.test, "PUT", path+"/seats", `{"decrement":10}`).status })
	require.Equal(t, map[int]int{http.StatusOK: 14, http.StatusBadRequest: 16}, got, "two seats are the minimum")
	require.Equal(t, "10", g.call(t, g.test, "GET", path, "").want(200).text("quantity"))
}

func TestAKeyCountsOnceAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	lic := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.metered)).want(201).text("uuid")
	body := fmt.Sprintf(`{"licenseUuid":%q,"featureVariableName":"calls","countOptions":{"increment":3}}`, lic)
	got := atOnce(20, func(i int) int {
		return g.call(t, g.test, "PUT", "/usage", body, "unique-key", fmt.Sprint("call ", i%2)).status
	})
	require.Equal(t, map[int]int{http.StatusNoContent: 20}, got)
	require.Equal(t, "6", g.call(t, g.test, "GET", "/licenses/"+lic+"/usage", "").want(200).text("unitCount"))
}
