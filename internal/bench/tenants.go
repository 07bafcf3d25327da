package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// api calls the product's own API to make what a profile needs. It is not measured.
type api struct {
	base   string
	client *http.Client
}

// makers is how many setup calls run at once.
const makers = 16

func newAPI(t Target) *api {
	return &api{base: "http://" + t.Address + "/ledger/v1", client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: makers}}}
}

// post makes something and reads its answer into out.
func (a *api) post(ctx context.Context, key, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %d %s", path, res.StatusCode, bytes.TrimSpace(answer))
	}
	return json.Unmarshal(answer, out)
}

// object is a JSON object to send.
type object map[string]any

type made struct {
	UUID uuid.UUID `json:"uuid"`
}

// ledger is one that a profile works in: its key has every scope that is not an admin's.
type ledger struct {
	id  uuid.UUID
	key string
}

var scopes = []string{"catalog:write", "subscriptions:read", "subscriptions:write", "licenses:read", "licenses:write", "usage:read", "usage:write", "ledger:read"}

// ledgers makes organisations with both of their ledgers and a key for each.
func (a *api) ledgers(ctx context.Context, t Target, n int) ([]ledger, error) {
	var mu sync.Mutex
	var all []ledger
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(makers)
	for i := range (n + 1) / 2 {
		g.Go(func() error {
			var org made
			if err := a.post(ctx, t.AdminKey, "/organisations", object{"name": fmt.Sprintf("Bench %d", i+1), "currency": "USD"}, &org); err != nil {
				return err
			}
			for _, mode := range []string{"live", "test"} {
				var key struct {
					Secret     string    `json:"secret"`
					LedgerUUID uuid.UUID `json:"ledgerUuid"`
				}
				err := a.post(ctx, t.AdminKey, "/organisations/"+org.UUID.String()+"/keys", object{"mode": mode, "name": "bench", "scopes": scopes}, &key)
				if err != nil {
					return err
				}
				mu.Lock()
				all = append(all, ledger{key.LedgerUUID, key.Secret})
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return all[:n], nil
}

// shelf is what a ledger sells.
type shelf struct {
	ledger
	product, plan uuid.UUID
}

// stock makes a product with capabilities and one plan in each ledger; with a meter, if it is named.
func (a *api) stock(ctx context.Context, ledgers []ledger, meter string, capabilities ...string) ([]shelf, error) {
	shelves := make([]shelf, len(ledgers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(makers)
	for i, l := range ledgers {
		g.Go(func() (err error) {
			shelves[i], err = a.stockOne(ctx, l, meter, capabilities)
			return err
		})
	}
	return shelves, g.Wait()
}

func (a *api) stockOne(ctx context.Context, l ledger, meter string, capabilities []string) (shelf, error) {
	s := shelf{ledger: l}
	var product, plan made
	if err := a.post(ctx, l.key, "/products", object{"name": "bench", "displayName": "Bench"}, &product); err != nil {
		return s, err
	}
	ids := []uuid.UUID{}
	for _, name := range capabilities {
		var c made
		if err := a.post(ctx, l.key, "/capabilities", object{"productUuid": product.UUID, "name": name}, &c); err != nil {
			return s, err
		}
		ids = append(ids, c.UUID)
	}
	if meter != "" {
		var m made
		if err := a.post(ctx, l.key, "/meters", object{"key": meter, "name": strings.ToUpper(meter), "aggregation": "sum"}, &m); err != nil {
			return s, err
		}
	}
	err := a.post(ctx, l.key, "/plans", object{"productUuid": product.UUID, "name": "flat", "displayName": "Flat", "licenseType": "licensed",
		"pricingType": "free", "interval": "month", "length": 1, "capabilities": ids}, &plan)
	s.product, s.plan = product.UUID, plan.UUID
	return s, err
}

// subscribe makes n subscriptions in each ledger, in the order of the ledgers; fields adds to each.
func (a *api) subscribe(ctx context.Context, shelves []shelf, n int, fields func(shelf, subscription int) object) ([][]uuid.UUID, error) {
	all := make([][]uuid.UUID, len(shelves))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(makers)
	for i, s := range shelves {
		all[i] = make([]uuid.UUID, n)
		for j := range n {
			g.Go(func() error {
				in := object{"planUuid": s.plan}
				if fields != nil {
					for name, value := range fields(i, j) {
						in[name] = value
					}
				}
				var sub made
				err := a.post(ctx, s.key, "/subscriptions", in, &sub)
				all[i][j] = sub.UUID
				return err
			})
		}
	}
	return all, g.Wait()
}
