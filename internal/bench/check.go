package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"time"
)

// granteesOfALedger are checked in turn.
const granteesOfALedger = 100

// check is GET /licenses/check of one grantee and product, answered signed from memory. The baseline
// answers the very same requests, in the same process, with 300 bytes that are always the same.
func check(ctx context.Context, r *run) error {
	a := newAPI(r.target)
	r.say("making %d ledgers with %d grantees each", r.Ledgers, granteesOfALedger)
	ledgers, err := a.ledgers(ctx, r.target, r.Ledgers)
	if err != nil {
		return err
	}
	shelves, err := a.stock(ctx, ledgers, "", "edit", "export", "read")
	if err != nil {
		return err
	}
	grantee := func(shelf, i int) string { return fmt.Sprintf("grantee-%d-%d", shelf, i) }
	_, err = a.subscribe(ctx, shelves, granteesOfALedger, func(shelf, i int) object { return object{"granteeId": grantee(shelf, i)} })
	if err != nil {
		return err
	}
	bare, err := bareHandler(ctx, r)
	if err != nil {
		return err
	}
	var templates []*template
	for i, s := range shelves {
		for j := range granteesOfALedger {
			path := "/licenses/check?productUuid=" + s.product.String() + "&granteeIds=" + grantee(i, j)
			templates = append(templates, newTemplate("GET", r.target.Address, path, s.key, "", "Accept", "application/json"))
		}
	}
	r.shuffle(templates)
	if err := r.signed(templates); err != nil {
		return err
	}
	for _, clients := range r.Clients {
		mine, err := deal(templates, clients)
		if err != nil {
			return err
		}
		product, baseline := &load{address: r.target.Address, rate: r.Rate, units: 1}, &load{address: bare, rate: r.Rate, units: 1}
		for _, own := range mine {
			product.scripts, baseline.scripts = append(product.scripts, inTurn(own)), append(baseline.scripts, inTurn(own))
		}
		name := fmt.Sprintf("answers/s, bare handler, %d clients", clients)
		r.baselines[name] = baseline.work
		r.contests = append(r.contests, contest{clients: clients, unit: "checks/s", product: product.work, open: product.at, baseline: name, target: 0.75})
	}
	return nil
}

// signed asks everything once, so that no answer is computed or signed while it is measured, and makes
// sure that the answers are what is meant to be measured.
func (r *run) signed(templates []*template) error {
	c, err := dial(r.target.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range templates {
		if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
			return err
		}
		status, body, err := c.do(t.text)
		if err != nil {
			return fmt.Errorf("check a licence: %w", err)
		}
		if status != http.StatusOK || !bytes.Contains(body, []byte(`"signature":"30`)) {
			return fmt.Errorf("check a licence: %d %s", status, body)
		}
	}
	return nil
}

func inTurn(templates []*template) script {
	n := 0
	return func() []byte {
		t := templates[n%len(templates)]
		n++
		return t.text
	}
}

// bareHandler serves the baseline and gives its address.
func bareHandler(ctx context.Context, r *run) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	answer := []byte(strings.Repeat("x", 300))
	server := &http.Server{ReadHeaderTimeout: answerTime, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json") // or it would look at the bytes each time
		_, _ = w.Write(answer)                             // a client that is gone is counted where it is missed
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		pprof.Do(ctx, pprof.Labels("side", "baseline"), func(context.Context) {
			_ = server.Serve(ln) // ends by Close alone, below
		})
	}()
	r.cleanup = append(r.cleanup, func() { _ = server.Close(); <-done })
	return ln.Addr().String(), nil
}
