package salable

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/catalog"
	corelicense "github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/money"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// currencies is the name space of the ids of currencies.
var currencies = uuid.MustParse("3b0a4f52-6f0c-5a3e-9a53-7f0d3c5e8b21")

// currencyID is the same for a currency everywhere and for ever: a UUIDv5 of its ISO code.
func currencyID(code string) uuid.UUID { return uuid.NewSHA1(currencies, []byte(code)) }

func fromCurrency(code string) currency {
	out := currency{UUID: currencyID(code), ShortName: code, LongName: code, Symbol: code}
	if c, ok := money.Lookup(code); ok { // else a code that was withdrawn after it was used
		out.LongName, out.Symbol = c.Name, c.Symbol
	}
	return out
}

// fromProduct gives a product and those of its relations that are in its row.
func fromProduct(c handlers.Caller, p projections.Product, e expansion) *product {
	out := &product{
		UUID: p.ID, Name: expanded(p.Fields.Name), Description: p.Fields.Description, LogoURL: p.Fields.LogoURL, DisplayName: p.Fields.DisplayName,
		Organisation: c.Organisation, Status: p.Status, Paid: p.Fields.Paid, PaymentIntegration: p.Fields.PaymentIntegration,
		AppType: expanded("custom"), UpdatedAt: instant(p.UpdatedAt), IsTest: c.Test(), Slug: p.Fields.Slug, ArchivedAt: instantOrNull(p.ArchivedAt),
	}
	if p.Fields.AppType != nil {
		out.AppType = expanded(*p.Fields.AppType)
	}
	if e.has("currencies") {
		nested := e.in("currencies").has("currency")
		out.Currencies = expanded(each(p.Fields.Currencies, func(o catalog.ProductCurrency) productCurrency {
			pc := productCurrency{ProductUUID: p.ID, CurrencyUUID: currencyID(o.Currency), DefaultCurrency: o.Default}
			if nested {
				pc.Currency = expanded(fromCurrency(o.Currency))
			}
			return pc
		}))
	}
	if e.has("organisationPaymentIntegration") {
		out.OrganisationPayment = expanded[*struct{}](nil)
	}
	return out
}

func fromFeature(f projections.Feature, options bool) feature {
	out := feature{
		UUID: f.ID, Name: expanded(f.Fields.Name), Description: f.Fields.Description, DisplayName: f.Fields.DisplayName,
		VariableName: f.Fields.VariableName, Status: f.Status, Visibility: f.Fields.Visibility, ValueType: f.Fields.ValueType,
		DefaultValue: f.Fields.DefaultValue, ShowUnlimited: f.Fields.ShowUnlimited, ProductUUID: f.ProductID,
		UpdatedAt: instant(f.UpdatedAt), SortOrder: f.Fields.SortOrder,
	}
	if options {
		out.EnumOptions = expanded(each(f.Fields.EnumOptions, func(o catalog.EnumOption) featureEnumOption { return fromEnumOption(f, o) }))
	}
	return out
}

func fromEnumOption(f projections.Feature, o catalog.EnumOption) featureEnumOption {
	return featureEnumOption{UUID: o.ID, Name: o.Name, FeatureUUID: f.ID, UpdatedAt: instant(f.UpdatedAt)}
}

func fromCapability(c projections.Capability) capability {
	return capability{UUID: c.ID, Name: c.Name, Status: c.Status, Description: c.Fields.Description, ProductUUID: c.ProductID,
		UpdatedAt: instant(c.UpdatedAt)}
}

func fromPlan(c handlers.Caller, p projections.Plan) *plan {
	f := p.Fields
	return &plan{
		UUID: p.ID, Name: expanded(f.Name), Description: f.Description, DisplayName: f.DisplayName, Status: p.Status, IsTest: c.Test(),
		TrialDays: expanded(f.TrialDays), Evaluation: expanded(f.Evaluation), EvalDays: f.EvalDays, Organisation: c.Organisation, Visibility: f.Visibility,
		LicenseType: f.LicenseType, PerSeatAmount: f.PerSeatAmount, Interval: f.Interval, Length: f.Length, Active: expanded(f.Active),
		PlanType: expanded(f.PlanType), PricingType: f.PricingType, Environment: expanded(f.Environment), PaddlePlanID: expanded(f.PaddlePlanID),
		ProductUUID: p.ProductID, SalablePlan: expanded(f.SalablePlan), UpdatedAt: instant(p.UpdatedAt), Slug: f.Slug,
		MaxSeatAmount: f.MaxSeatAmount, ArchivedAt: instantOrNull(p.ArchivedAt),
	}
}

// fromPlanCapabilities nests capabilities when they are given.
func fromPlanCapabilities(p projections.Plan, nested map[uuid.UUID]projections.Capability) []planCapability {
	return each(p.Fields.Capabilities, func(id uuid.UUID) planCapability {
		out := planCapability{PlanUUID: p.ID, CapabilityUUID: id, UpdatedAt: instant(p.UpdatedAt)}
		if c, ok := nested[id]; ok {
			shown := fromCapability(c)
			out.Capability = expanded(&shown)
		}
		return out
	})
}

func fromPlanFeatures(p projections.Plan, features map[uuid.UUID]projections.Feature, e expansion) []planFeature {
	return each(p.Fields.Features, func(f catalog.PlanFeature) planFeature {
		out := planFeature{
			PlanUUID: p.ID, FeatureUUID: f.FeatureID, Value: f.Value, EnumValueUUID: f.EnumValueID, IsUnlimited: f.IsUnlimited,
			IsUsage: f.IsUsage, PricePerUnit: (*number)(f.PricePerUnit), MinUsage: f.MinUsage, MaxUsage: f.MaxUsage,
			UpdatedAt: instant(p.UpdatedAt), SortOrder: f.SortOrder,
		}
		row := features[f.FeatureID]
		if e.has("feature") {
			shown := fromFeature(row, false)
			out.Feature = expanded(&shown)
		}
		if e.has("enumValue") {
			out.EnumValue = expanded[*featureEnumOption](nil)
			for _, o := range row.Fields.EnumOptions {
				if f.EnumValueID != nil && o.ID == *f.EnumValueID {
					shown := fromEnumOption(row, o)
					out.EnumValue = expanded(&shown)
				}
			}
		}
		return out
	})
}

// fromPlanCurrencies are what a plan costs in each currency that it has prices in (catalog.PlanFields.Headline). Sold
// are the currencies that it was bought in.
func fromPlanCurrencies(p projections.Plan, sold []string, nested bool) []planCurrency {
	var out []planCurrency
	for _, code := range p.Fields.PricedCurrencies() {
		price, ok := p.Fields.Headline(code)
		if !ok {
			continue
		}
		c := planCurrency{PlanUUID: p.ID, CurrencyUUID: currencyID(code), Price: number(price), HasAcceptedTransaction: slices.Contains(sold, code)}
		if nested {
			c.Currency = expanded(fromCurrency(code))
		}
		out = append(out, c)
	}
	return out
}

func fromLicense(c handlers.Caller, l projections.License) *license {
	out := &license{
		UUID: l.ID, ProductUUID: l.ProductID, PlanUUID: l.PlanID, SubscriptionUUID: l.SubscriptionID, GranteeID: l.GranteeID,
		Email: l.Email, PaymentService: corelicense.AdHoc, Type: l.Type, Capabilities: fromFrozen(l.Capabilities, l.ProductID, instant(l.CreatedAt)),
		StartTime: instant(l.StartTime), EndTime: instant(l.EndTime), Status: l.Status, UpdatedAt: instant(l.UpdatedAt), IsTest: c.Test(),
		CancelAtPeriodEnd: l.CancelAtPeriodEnd,
	}
	if l.SubscriptionID != nil {
		out.PaymentService = corelicense.Salable
	}
	if l.Purchaser != nil {
		out.Purchaser = *l.Purchaser
	}
	return out
}

// fromLicenseView is fromLicense for the answer of a command.
func fromLicenseView(c handlers.Caller, v corelicense.View) *license {
	return &license{
		UUID: v.ID, ProductUUID: v.ProductID, PlanUUID: v.PlanID, SubscriptionUUID: v.SubscriptionID, GranteeID: textOrNull(v.Grantee.Text),
		Purchaser: v.Purchaser.Text, Email: textOrNull(v.Email.Text), PaymentService: v.PaymentService, Type: v.Type,
		Capabilities: fromFrozen(v.Capabilities, v.ProductID, instant(v.CreatedAt)), StartTime: instant(v.StartTime), EndTime: instant(v.EndTime),
		Status: v.Status, UpdatedAt: instant(v.UpdatedAt), IsTest: c.Test(), CancelAtPeriodEnd: v.CancelAtPeriodEnd,
	}
}

// fromFrozen shows capabilities as a licence copied them: what became of the originals does not count.
func fromFrozen(frozen []catalog.CapabilityRef, product uuid.UUID, since instant) []capability {
	return each(frozen, func(c catalog.CapabilityRef) capability {
		return capability{UUID: c.ID, Name: c.Name, Status: projections.ItemActive, ProductUUID: product, UpdatedAt: since}
	})
}

// fromSubscription shows a subscription as it is at an instant. One without a payment provider has the type
// none and is its own id at the provider.
func fromSubscription(c handlers.Caller, s projections.Subscription, at time.Time) *subscription {
	out := &subscription{
		UUID: s.ID, ProductUUID: s.ProductID, PlanUUID: s.PlanID, Organisation: c.Organisation, PaymentSubscriptionID: s.ID.String(),
		Type: "none", Quantity: s.Quantity, Email: s.Email, ExpiryDate: instant(s.EndAt(at)), Status: s.StatusAt(at),
		CreatedAt: instant(s.CreatedAt), UpdatedAt: instant(s.UpdatedAt), IsTest: c.Test(),
		CancelAtPeriodEnd: s.CancelsAtPeriodEnd(), Owner: s.Owner,
	}
	if s.Provider != coresubscription.NoProvider {
		out.Type = corelicense.Salable
	}
	return out
}

// fromSubscriptionView is fromSubscription for the answer of a command.
func fromSubscriptionView(c handlers.Caller, v coresubscription.View) *subscription {
	out := &subscription{
		UUID: v.ID, ProductUUID: v.ProductID, PlanUUID: v.PlanID, Organisation: c.Organisation, PaymentSubscriptionID: v.ID.String(),
		Type: "none", Quantity: v.Quantity, Email: textOrNull(v.Email.Text), ExpiryDate: instant(v.ExpiryDate), Status: v.Status,
		CreatedAt: instant(v.CreatedAt), UpdatedAt: instant(v.UpdatedAt), IsTest: c.Test(), CancelAtPeriodEnd: v.CancelAtPeriodEnd,
		Owner: textOrNull(v.Owner.Text),
	}
	if v.Provider != coresubscription.NoProvider {
		out.Type = corelicense.Salable
	}
	return out
}

func fromTask(c handlers.Caller, t projections.Task) event {
	return event{UUID: t.ID, Type: t.Type, Organisation: c.Organisation, Status: t.Status, IsTest: c.Test(), Retries: t.Retries,
		ErrorMessage: t.ErrorMessage, ErrorCode: t.ErrorCode, CreatedAt: instant(t.CreatedAt), UpdatedAt: instant(t.UpdatedAt)}
}

// toStatus is a licence's status as a filter says it, in either case; false when there is no such status.
func toStatus(text string) (string, bool) {
	switch s := strings.ToUpper(text); s {
	case corelicense.Active, corelicense.Canceled, corelicense.Evaluation, corelicense.Scheduled, corelicense.Trialing, corelicense.Inactive:
		return s, true
	}
	return "", false
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
