package salable

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	corelicense "github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/handlers"
)

// createLicenses serves POST /licenses: an ad hoc licence, or a list of 1 to 1,000.
//
//	in   {planUuid, member, granteeId: text or null, email?} or a list of these; v2 also status?, endTime?, cancelAtPeriodEnd?
//	out  201 License or [License] | 206 [License]: those that could be made | 400 | 404
func (a *API) createLicenses(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	if body.Value().IsList() {
		return a.createMany(w, r, body)
	}
	c := readGrant(body.Object(), versionOf(r))
	if err := body.Err(); err != nil {
		return also(err, "", c.Problems())
	}
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return renamed(err, grantNames)
	}
	var v corelicense.View
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusCreated, fromLicenseView(handlers.CallerOf(r), v))
}

// also adds fields that the core would refuse, in its own words, to a refusal of the request's reader: a caller hears
// of all of them at once.
func also(err error, at string, more domain.Problems) error {
	e, ok := domain.AsRefusal(err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	all := *e
	all.Fields = slices.Clone(e.Fields)
	for _, f := range more {
		if name, ok := grantNames[f.Pointer]; ok {
			f.Pointer = name
		}
		f.Pointer = at + f.Pointer
		if !slices.ContainsFunc(e.Fields, func(known domain.Field) bool { // it, or what holds it, is named already
			return strings.HasPrefix(f.Pointer+"/", known.Pointer+"/")
		}) {
			all.Fields = append(all.Fields, f)
		}
	}
	return &all
}

// grantNames are the core's names of fields and the request's.
var grantNames = map[string]string{"/purchaser": "/member"}

func readGrant(o *handlers.Object, version string) corelicense.Grant {
	c := corelicense.Grant{PlanID: o.UUID("planUuid", handlers.Required),
		Purchaser: o.String("member", handlers.Required, handlers.MaxBytes(domain.MaxName)), Grantee: readGrantee(o), Email: o.String("email")}
	if version == v1 {
		return c
	}
	c.Status = handlers.Opt(o, "status", func(name string, r ...handlers.Rule) string {
		return o.Enum(name, []string{corelicense.Active, corelicense.Trialing}, r...)
	})
	c.EndTime, c.CancelAtPeriodEnd = handlers.Opt(o, "endTime", o.Time), o.Bool("cancelAtPeriodEnd")
	return c
}

// readGrantee reads a grantee that has to be there, be it null: nobody. Which ids may be given a licence is for the
// command to say: of a batch each item is refused by itself.
func readGrantee(o *handlers.Object) *string {
	v := o.Get("granteeId")
	if o.Null("granteeId") {
		return nil
	}
	id := v.String(handlers.Required, handlers.MaxBytes(domain.MaxName))
	return &id
}

func (a *API) createMany(w http.ResponseWriter, r *http.Request, body *handlers.Body) error {
	var c corelicense.GrantMany
	for _, v := range readItems(body.Value()) {
		c.Items = append(c.Items, readGrant(v.Object(handlers.Required), versionOf(r)))
	}
	if err := body.Err(); err != nil {
		for i, item := range c.Items {
			err = also(err, "/"+strconv.Itoa(i), item.Problems())
		}
		return err
	}
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return itemsRefused(err, "")
	}
	return a.licenseBatch(w, r, res, http.StatusCreated)
}

// readItems reads the items of a batch.
func readItems(v handlers.Value) []handlers.Value {
	return v.List(handlers.Required, handlers.MaxItems(corelicense.MaxItems))
}

// updateLicense serves PUT /licenses/{licenseUuid}: it sets the grantee, null unassigns.
//
//	in   {granteeId: text or null}
//	out  200 License | 400 | 404
func (a *API) updateLicense(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	c := corelicense.Assign{Grantee: readGrantee(body.Object())}
	if err := body.Err(); err != nil {
		return err
	}
	if c.Ref, err = a.ref(r.Context(), handlers.CallerOf(r).Ledger, handlers.PathUUID(r, "licenseUuid")); err != nil {
		return err
	}
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return err
	}
	var v corelicense.View
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, fromLicenseView(handlers.CallerOf(r), v))
}

// updateLicenses serves PUT /licenses: updateLicense for 1 to 1,000.
//
//	in   [{uuid, granteeId: text or null}]
//	out  200 [License] | 206 [License]: those that could be updated | 400 | 404
func (a *API) updateLicenses(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	var ids []uuid.UUID
	var c corelicense.AssignMany
	for _, v := range readItems(body.Value()) {
		o := v.Object(handlers.Required)
		ids = append(ids, o.UUID("uuid", handlers.Required))
		c.Items = append(c.Items, corelicense.Assign{Grantee: readGrantee(o)})
	}
	if err := body.Err(); err != nil {
		return err
	}
	refs, err := a.refs(r.Context(), handlers.CallerOf(r).Ledger, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		c.Items[i].Ref = refs[id]
	}
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return itemsRefused(err, "")
	}
	return a.licenseBatch(w, r, res, http.StatusOK)
}
