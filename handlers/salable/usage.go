package salable

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/handlers"
)

func (a *API) usageRoutes() []route {
	return []route{
		{handlers.Route{Method: "PUT", Path: "/usage", Scope: handlers.ScopeUsageWrite, Serve: a.recordUsage}, always},
		{handlers.Route{Method: "GET", Path: "/usage", Scope: handlers.ScopeUsageRead, Serve: a.listUsage}, sinceV2},
		{handlers.Route{Method: "GET", Path: "/usage/current", Scope: handlers.ScopeUsageRead, Serve: a.currentUsage}, sinceV2},
	}
}

// maxUnits is the most that JavaScript counts exactly: 2^53 - 1.
const maxUnits = 1<<53 - 1

// toUnits is a count as the wire has it: whole units that JavaScript can hold. The ledger's own API also records parts
// of a unit, which count here once they make a whole one, and more units than that, which are all that there can be here.
func toUnits(total decimal.Decimal) int64 {
	most := decimal.NewFromInt(maxUnits)
	return decimal.Min(decimal.Max(total.Floor(), most.Neg()), most).IntPart()
}

// recordUsage serves PUT /usage. The header unique-key makes a record count once, for ever: sent again it
// answers as it did at first, whoever holds the licence by then; with another body it is refused.
//
//	in   {licenseUuid | granteeId and planUuid, countOptions: {increment}}, unique-key
//	out  204 | 400 | 404
func (a *API) recordUsage(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	byLicense := o.Has("licenseUuid") || !o.Has("granteeId") && !o.Has("planUuid")
	record := usage.Record{Most: maxUnits}
	var grantee string
	if byLicense {
		record.Ref.LicenseID = o.UUID("licenseUuid", handlers.Required)
	} else {
		grantee = o.String("granteeId", handlers.Required, handlers.MaxBytes(255))
	}
	plan := o.UUID("planUuid")
	if !byLicense {
		plan = o.UUID("planUuid", handlers.Required)
	}
	record.Quantity = decimal.NewFromInt(o.Object("countOptions", handlers.Required).Int("increment", handlers.Required, handlers.Amount, handlers.Min(1), handlers.Max(maxUnits)))
	req, err := handlers.Command(r, body, nil)
	if err != nil {
		return err
	}
	if req.Key == "" {
		body.Bad(uniqueKey, "required", "is a required header")
	}
	if err := body.Err(); err != nil {
		return err
	}
	ledger := handlers.CallerOf(r).Ledger
	if byLicense {
		record.Ref, err = a.ref(r.Context(), ledger, record.Ref.LicenseID)
	} else {
		record.Ref, err = a.held(r.Context(), ledger, grantee, plan)
	}
	if err != nil {
		return err
	}
	// Keys of usage are a name space of their own: the same text may be the key of another command.
	record.Key = req.Key
	digest := sha256.Sum256([]byte(req.Key))
	req.Key = "salable usage " + hex.EncodeToString(digest[:])
	req.Command = record
	if _, err := a.send(w, r, req); err != nil {
		return renamed(err, map[string]string{"/quantity": "/countOptions/increment", "/key": uniqueKey})
	}
	return noContent(w)
}

// readLicenseUsage serves GET /licenses/{licenseUuid}/usage: in the current period, or in the last one that had
// any of a licence that has ended.
//
//	out  200 {unitCount} | 404
func (a *API) readLicenseUsage(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	row, err := a.license(r)
	if err != nil {
		return err
	}
	u, _, err := a.reads.UsageNow(r.Context(), row.LedgerID, row.ID, a.clock(r.Context()))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, struct {
		UnitCount int64 `json:"unitCount"`
	}{toUnits(u.Total)})
}
