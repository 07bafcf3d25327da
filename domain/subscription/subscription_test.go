package subscription_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

// april is a day of April 2025, at midnight UTC.
func april(n int) time.Time { return time.Date(2025, time.April, n, 0, 0, 0, 0, time.UTC) }

// shop is a ledger on 1 April with a product and its plans.
type shop struct {
	*ledgertest.Ledger
	t       *testing.T
	product uuid.UUID
	seats   uuid.UUID // perSeat, 1 to 5 seats, monthly, 10.00
	team    uuid.UUID // perSeat, 3 to 10 seats, monthly, 20.00
	many    uuid.UUID // perSeat, 0 seats or more, monthly
	yearly  uuid.UUID // perSeat, 1 to 5 seats, yearly
	single  uuid.UUID // licensed, monthly
	metered uuid.UUID // metered, monthly
	trial   uuid.UUID // perSeat, 1 to 5 seats, 14 days of trial
	edit    uuid.UUID // a capability of seats
	admin   uuid.UUID // a capability of team
}

func open(t *testing.T) *shop {
	s := &shop{Ledger: ledgertest.New(t, april(1)), t: t}
	s.product = s.Product()
	s.edit, s.admin = s.Capability(s.product, "edit"), s.Capability(s.product, "admin")
	plan := func(edit func(*catalog.PlanFields)) uuid.UUID { return s.Plan(s.product, edit) }
	s.seats = plan(func(f *catalog.PlanFields) { f.MaxSeatAmount, f.Capabilities = 5, []uuid.UUID{s.edit} })
	s.team = plan(func(f *catalog.PlanFields) {
		f.PerSeatAmount, f.MaxSeatAmount, f.Capabilities = 3, 10, []uuid.UUID{s.admin}
	})
	s.many = plan(func(f *catalog.PlanFields) { f.PerSeatAmount = 0 })
	s.yearly = plan(func(f *catalog.PlanFields) { f.MaxSeatAmount, f.Interval = 5, "year" })
	s.single = plan(func(f *catalog.PlanFields) { f.LicenseType = "licensed" })
	s.metered = plan(func(f *catalog.PlanFields) { f.LicenseType = "metered" })
	s.trial = plan(func(f *catalog.PlanFields) { f.MaxSeatAmount, f.TrialDays = 5, ptr(14) })
	return s
}

func (s *shop) start(c subscription.Start) uuid.UUID {
	s.t.Helper()
	return ledgertest.Must[subscription.View](s.Ledger, c).ID
}

func (s *shop) sub(id uuid.UUID) *subscription.State { return s.State(id).(*subscription.State) }

func (s *shop) view(id uuid.UUID) subscription.View { return s.sub(id).View(s.Now()) }

// do executes a command and tells what happened: the events of the subscription by their short names,
// "-" for none, or "!" and the code of the refusal.
func (s *shop) do(id uuid.UUID, c domain.Command) string {
	s.t.Helper()
	_, events, err := s.Execute(c)
	if err != nil {
		e, ok := domain.AsRefusal(err)
		require.True(s.t, ok, "%v", err)
		if e.Kind == domain.Conflict {
			require.NotEmpty(s.t, e.State, "a conflict says with what: %v", e)
		}
		return "!" + e.Code
	}
	var names []string
	for _, e := range ledgertest.On(id, events) {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(e.Event.EventType(), "subscription."), ".v1"))
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, " ")
}

// assign gives seats to grantees, as the licence package would.
func (s *shop) assign(id uuid.UUID, grantees ...string) {
	s.t.Helper()
	var seats []subscription.Seat
	for seat := range s.sub(id).Seats() {
		if seat.Grantee.IsZero() && seat.RemovedAt.IsZero() && len(seats) < len(grantees) {
			seats = append(seats, subscription.Seat{ID: seat.ID, Grantee: domain.Grantee(grantees[len(seats)])})
		}
	}
	require.Len(s.t, seats, len(grantees))
	s.Given(id, subscription.SeatsAssigned{Seats: seats})
}

func TestStart(t *testing.T) {
	s := open(t)
	type want struct {
		status           string
		quantity         int
		seats            int
		currency         string
		period           subscription.Period
		anchor, trialEnd time.Time
	}
	may1 := april(31)
	month := subscription.Period{Start: april(1), End: may1}
	for name, tt := range map[string]struct {
		when  subscription.Start
		then  want
		fails string
	}{
		"a perSeat plan starts with its minimum": {subscription.Start{PlanID: s.team}, want{"ACTIVE", 3, 3, "USD", month, april(1), time.Time{}}, ""},
		"a minimum of none starts with one":      {subscription.Start{PlanID: s.many}, want{"ACTIVE", 1, 1, "USD", month, april(1), time.Time{}}, ""},
		"none when asked for":                    {subscription.Start{PlanID: s.many, Quantity: ptr(0)}, want{"ACTIVE", 0, 0, "USD", month, april(1), time.Time{}}, ""},
		"others have one licence":                {subscription.Start{PlanID: s.single, Quantity: ptr(7)}, want{"ACTIVE", 7, 1, "USD", month, april(1), time.Time{}}, ""},
		"S1 below the minimum":                   {subscription.Start{PlanID: s.team, Quantity: ptr(2)}, want{}, "quantity_out_of_limits"},
		"S1 above the maximum":                   {subscription.Start{PlanID: s.team, Quantity: ptr(11)}, want{}, "quantity_out_of_limits"},
		"nothing of a licence":                   {subscription.Start{PlanID: s.single, Quantity: ptr(0)}, want{}, "quantity_out_of_limits"},
		"B21 less than nothing":                  {subscription.Start{PlanID: s.many, Quantity: ptr(-1)}, want{}, "amount_out_of_range"},
		"B21 2^31":                               {subscription.Start{PlanID: s.many, Quantity: ptr(1 << 31)}, want{}, "amount_out_of_range"},
		"too many seats at once":                 {subscription.Start{PlanID: s.many, Quantity: ptr(100_001)}, want{}, "too_many_seats"},
		"unknown plan":                           {subscription.Start{PlanID: s.product}, want{}, "no_plan"},
		"in the plan's currency":                 {subscription.Start{PlanID: s.seats, Currency: "usd"}, want{"ACTIVE", 1, 1, "USD", month, april(1), time.Time{}}, ""},
		"C2 in another of the product":           {subscription.Start{PlanID: s.seats, Currency: "EUR"}, want{}, "currency_not_offered"},
		"in no currency at all":                  {subscription.Start{PlanID: s.seats, Currency: "XXX"}, want{}, "unknown_currency"},
		"S10 a trial is a period of its own":     {subscription.Start{PlanID: s.trial}, want{"TRIALING", 1, 1, "USD", subscription.Period{Start: april(1), End: april(15)}, april(15), april(15)}, ""},
		"a trial that is asked for":              {subscription.Start{PlanID: s.seats, TrialEnd: ptr(april(8))}, want{"TRIALING", 1, 1, "USD", subscription.Period{Start: april(1), End: april(8)}, april(8), april(8)}, ""},
		"no trial when asked for none":           {subscription.Start{PlanID: s.trial, TrialEnd: ptr(april(1))}, want{"ACTIVE", 1, 1, "USD", month, april(1), time.Time{}}, ""},
		"a trial that ends before it starts":     {subscription.Start{PlanID: s.seats, TrialEnd: ptr(april(-1))}, want{}, "bad_trial_end"},
		"46 it inherits an anchor":               {subscription.Start{PlanID: s.seats, AnchorAt: ptr(april(-10))}, want{"ACTIVE", 1, 1, "USD", subscription.Period{Start: april(1), End: april(21)}, april(-10), time.Time{}}, ""},
		"an anchor to come shortens the first":   {subscription.Start{PlanID: s.seats, AnchorAt: ptr(april(11))}, want{"ACTIVE", 1, 1, "USD", subscription.Period{Start: april(1), End: april(11)}, april(11), time.Time{}}, ""},
		"it starts in the past":                  {subscription.Start{PlanID: s.seats, StartAt: ptr(april(-5))}, want{"ACTIVE", 1, 1, "USD", subscription.Period{Start: april(-5), End: april(26)}, april(-5), time.Time{}}, ""},
		"incomplete":                             {subscription.Start{PlanID: s.seats, Incomplete: true}, want{"INCOMPLETE", 1, 1, "USD", month, april(1), time.Time{}}, ""},
		"in the year 10000":                      {subscription.Start{PlanID: s.seats, StartAt: ptr(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))}, want{}, "bad_start"},
		"an anchor of the year 0":                {subscription.Start{PlanID: s.seats, AnchorAt: ptr(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))}, want{}, "bad_anchor"},
		"a mode that is none":                    {subscription.Start{PlanID: s.seats, ProrationMode: "hour"}, want{}, "bad_proration_mode"},
		"a provider that is none":                {subscription.Start{PlanID: s.seats, Provider: "stripe"}, want{}, "bad_provider"},
		"a zone that is none":                    {subscription.Start{PlanID: s.seats, TimeZone: "Mars/Olympus"}, want{}, "unknown_time_zone"},
		"an empty grantee":                       {subscription.Start{PlanID: s.seats, Grantee: ptr("")}, want{}, "bad_grantee"},
		"a grantee without a seat":               {subscription.Start{PlanID: s.many, Quantity: ptr(0), Grantee: ptr("ann")}, want{}, "no_seat"},
		"an owner of two lines":                  {subscription.Start{PlanID: s.seats, Owner: "a\nb"}, want{}, "bad_owner"},
		"an address that is none":                {subscription.Start{PlanID: s.seats, Email: "ann"}, want{}, "bad_email"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, events, err := s.DryRun(tt.when)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			events = slices.DeleteFunc(events, func(e ledgertest.Event) bool { return e.Event.EventType() != subscription.Started{}.EventType() })
			e := events[0].Event.(subscription.Started)
			got := want{e.Status, e.Quantity, len(e.Seats), e.Currency, e.Period, e.AnchorAt, time.Time{}}
			if e.TrialEnd != nil {
				got.trialEnd = *e.TrialEnd
			}
			require.Equal(t, tt.then, got)
			require.Equal(t, e.StartAt, events[0].EffectiveAt)
			require.Equal(t, events[0].Stream, answer.(subscription.View).ID)
		})
	}
}

func TestStartNamesEverybody(t *testing.T) {
	s := open(t)
	buyer := s.customer("USD", "")
	id := s.start(subscription.Start{PlanID: s.team, Owner: "acme", Email: "ann@example.com", Grantee: ptr("ann"), CustomerID: &buyer})
	e := s.Stream(id)[0].Event.(subscription.Started)
	require.Equal(t, domain.Owner("acme"), e.Owner)
	require.Equal(t, domain.About("customer:"+buyer.String(), "ann@example.com"), e.Email)
	require.Equal(t, domain.Grantee("ann"), e.Seats[0].Grantee)
	require.True(t, e.Seats[1].Grantee.IsZero() && e.Seats[2].Grantee.IsZero())
	require.Equal(t, []catalog.CapabilityRef{{ID: s.admin, Name: "admin"}}, e.Terms.Capabilities)
	v := s.view(id)
	require.Equal(t, []int{3, 1, 2}, []int{v.Seats, v.Assigned, v.Unassigned})
	require.Equal(t, april(31), v.ExpiryDate)
	require.Equal(t, april(31), *v.DueAt)
	require.Equal(t, april(1), v.CreatedAt)
}

func (s *shop) customer(currency, zone string) uuid.UUID {
	s.t.Helper()
	return ledgertest.Must[customer.View](s.Ledger, customer.Create{Patch: customer.Patch{Currency: &currency, TimeZone: &zone}}).ID
}

// A customer's subscription is in the customer's currency, and by their clock unless it is told another.
func TestStartForACustomer(t *testing.T) {
	s := open(t)
	both := s.Plan(s.product, func(f *catalog.PlanFields) {
		f.Currencies = []catalog.PlanCurrency{{Currency: "USD", Price: 1000}, {Currency: "EUR", Price: 900}}
	})
	bare := s.Product(func(f *catalog.ProductFields) { f.Currencies = nil })
	free := s.Plan(bare, func(f *catalog.PlanFields) { f.PricingType, f.Currencies = "free", nil })
	berlin, yen, euro := s.customer("EUR", "Europe/Berlin"), s.customer("JPY", ""), "EUR"
	for name, tt := range map[string]struct {
		when     subscription.Start
		currency string
		zone     string
		fails    string
	}{
		"nothing said":                  {subscription.Start{PlanID: both, CustomerID: &berlin}, euro, "Europe/Berlin", ""},
		"the same said":                 {subscription.Start{PlanID: both, CustomerID: &berlin, Currency: "eur"}, euro, "Europe/Berlin", ""},
		"another zone":                  {subscription.Start{PlanID: both, CustomerID: &berlin, TimeZone: "Asia/Tokyo"}, euro, "Asia/Tokyo", ""},
		"another currency":              {subscription.Start{PlanID: both, CustomerID: &berlin, Currency: "USD"}, "", "", "other_currency"},
		"a currency that is not priced": {subscription.Start{PlanID: s.seats, CustomerID: &berlin}, "", "", "currency_not_offered"},
		"one that nobody offers":        {subscription.Start{PlanID: both, CustomerID: &yen}, "", "", "currency_not_offered"},
		"nothing to pay":                {subscription.Start{PlanID: free, CustomerID: &yen}, "JPY", "UTC", ""},
		"nobody":                        {subscription.Start{PlanID: both, CustomerID: ptr(uuid.New())}, "", "", "no_customer"},
		"a plan":                        {subscription.Start{PlanID: both, CustomerID: &both}, "", "", "no_customer"},
		"without a customer":            {subscription.Start{PlanID: both}, "USD", "UTC", ""},
	} {
		t.Run(name, func(t *testing.T) {
			answer, events, err := s.Execute(tt.when)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				require.Empty(t, events)
				return
			}
			require.NoError(t, err)
			v := answer.(subscription.View)
			require.Equal(t, []string{tt.currency, tt.zone}, []string{v.Currency, v.TimeZone})
			if tt.when.CustomerID != nil {
				require.Equal(t, tt.when.CustomerID, v.CustomerID)
			}
		})
	}
}

// Rule S7; cases 14 and 74.
func TestAccessIsAFunctionOfTheInstant(t *testing.T) {
	s := open(t)
	second := time.Second
	future := s.start(subscription.Start{PlanID: s.seats, StartAt: ptr(april(5))})
	running := s.start(subscription.Start{PlanID: s.seats})
	ending := s.start(subscription.Start{PlanID: s.seats})
	s.do(ending, subscription.Cancel{ID: ending})
	trial := s.start(subscription.Start{PlanID: s.trial})
	incomplete := s.start(subscription.Start{PlanID: s.seats, Incomplete: true})
	ended := s.start(subscription.Start{PlanID: s.seats, StartAt: ptr(april(-10))})
	s.do(ended, subscription.Cancel{ID: ended, Now: true})
	paused := s.start(subscription.Start{PlanID: s.seats})
	s.do(paused, subscription.Pause{ID: paused})
	for name, tt := range map[string]struct {
		id     uuid.UUID
		at     time.Time
		until  time.Time
		renews bool
		ok     bool
	}{
		"before the start: none":               {future, april(5).Add(-second), time.Time{}, false, false},
		"at the start: at once":                {future, april(5), april(35), true, true},
		"in the period":                        {running, april(20), april(31), true, true},
		"after it, though nobody renewed":      {running, april(31), april(62), true, true},
		"after three":                          {running, april(100), april(123), true, true},
		"until a scheduled end":                {ending, april(31).Add(-second), april(31), false, true},
		"not at it, though nobody recorded it": {ending, april(31), time.Time{}, false, false},
		"in a trial":                           {trial, april(14), april(15), true, true},
		"after a trial":                        {trial, april(15), april(45), true, true},
		"incomplete: none":                     {incomplete, april(2), time.Time{}, false, false},
		"ended: none":                          {ended, april(1), time.Time{}, false, false},
		"before it ended":                      {ended, april(-1), april(1), false, true},
		"paused: none":                         {paused, april(2), time.Time{}, false, false},
	} {
		until, renews, ok := s.sub(tt.id).AccessUntil(tt.at)
		require.Equal(t, tt.ok, ok, name)
		if ok {
			require.Equal(t, tt.until, until, name)
			require.Equal(t, tt.renews, renews, name)
		}
	}
	for name, tt := range map[string]struct {
		id   uuid.UUID
		at   time.Time
		then subscription.Period
		ok   bool
	}{
		"before the start":       {future, april(4), subscription.Period{}, false},
		"the period to come":     {running, april(31), subscription.Period{Start: april(31), End: april(62)}, true},
		"a trial":                {trial, april(2), subscription.Period{Start: april(1), End: april(15)}, true},
		"after the trial":        {trial, april(16), subscription.Period{Start: april(15), End: april(45)}, true},
		"after the end":          {ending, april(31), subscription.Period{}, false},
		"paused and long behind": {paused, april(40), subscription.Period{Start: april(31), End: april(62)}, true},
	} {
		p, ok := s.sub(tt.id).PeriodAt(tt.at)
		require.Equal(t, tt.ok, ok, name)
		require.Equal(t, tt.then, p, name)
	}
	s.do(trial, subscription.Advance{ID: trial})
	s.SetNow(april(50))
	s.do(trial, subscription.Advance{ID: trial})
	p, ok := s.sub(trial).PeriodAt(april(3))
	require.True(t, ok, "a look back")
	require.Equal(t, subscription.Period{Start: april(1), End: april(15)}, p)
	require.Nil(t, s.sub(future).View(april(4)).CurrentPeriod)
	require.Equal(t, "CANCELED", s.sub(ending).View(april(31)).Status)
}
