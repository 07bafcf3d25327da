package projections

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/internal/pgtest"
)

func TestRBACRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool, reads := pgtest.Pool(t, db.AppURL), NewReads(pgtest.Pool(t, db.ReaderURL), nil, nil)
	h, ledger, models := newHistory(), id(900), Models()
	do := func(stream, at int, events ...domain.Event) {
		t.Helper()
		apply(t, pool, models, h.add(ledger, id(stream), day(at), events...))
	}
	for i := 1; i <= 3; i++ {
		do(i, 1, rbac.PermissionCreated{PermissionFields: rbac.PermissionFields{Value: fmt.Sprint(i), Dependencies: []byte(`["x"]`)}})
	}
	reader, since := id(10), day(0).UTC()
	do(10, 1, rbac.RoleCreated{RoleFields: rbac.RoleFields{Name: "reader", Permissions: []uuid.UUID{id(2), id(1)}}})
	ann := domain.About(rbac.Subject("ann"), "ann")
	do(21, 2, rbac.UserCreated{ID: ann, Name: ann, Role: &reader, Permissions: []uuid.UUID{id(3)}})
	do(20, 2, rbac.UserCreated{ID: domain.About(rbac.Subject("bob"), "bob"), Since: &since})

	users := func() (ids []string) {
		t.Helper()
		all, err := reads.Users(t.Context(), ledger, 0, 10)
		require.NoError(t, err)
		for _, u := range all {
			ids = append(ids, u.UserID)
		}
		return ids
	}
	require.Equal(t, []string{"ann", "bob"}, users(), "in order of their making")
	bob, err := reads.User(t.Context(), ledger, "bob")
	require.NoError(t, err)
	require.Equal(t, since, bob.CreatedAt.UTC(), "by another id")
	rest, err := reads.Users(t.Context(), ledger, 5, 10)
	require.NoError(t, err)
	require.Equal(t, "bob", rest[0].UserID)

	do(21, 3, rbac.UserRenamed{}, rbac.UserAccessChanged{Permissions: []uuid.UUID{id(1), id(2)}})
	do(10, 3, rbac.RoleChanged{RoleFields: rbac.RoleFields{Name: "nobody"}})
	row, err := reads.User(t.Context(), ledger, "ann")
	require.NoError(t, err)
	require.Nil(t, row.Name)
	require.Nil(t, row.RoleID)
	require.Equal(t, []uuid.UUID{id(1), id(2)}, row.Permissions)
	require.Equal(t, []int64{3, 8}, []int64{row.Version, row.Position})

	// A deletion is one row less, whoever had it.
	do(2, 4, rbac.PermissionDeleted{})
	found, err := reads.PermissionRefs(t.Context(), ledger, row.Permissions)
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]rbac.PermissionRef{id(1): {ID: id(1), Value: "1"}}, found)
	_, err = reads.Permission(t.Context(), ledger, id(2))
	require.ErrorIs(t, err, &domain.Error{Code: "no_permission"})
	do(10, 4, rbac.RoleDeleted{})
	_, err = reads.Role(t.Context(), ledger, id(10))
	require.ErrorIs(t, err, &domain.Error{Code: "no_role"})

	// An id that was given up is taken by somebody new, on the same stream.
	do(21, 5, rbac.UserDeleted{})
	require.Equal(t, []string{"bob"}, users())
	do(21, 6, rbac.UserCreated{ID: ann})
	require.Equal(t, []string{"bob", "ann"}, users())
	row, err = reads.User(t.Context(), ledger, "ann")
	require.NoError(t, err)
	require.Equal(t, day(6), row.CreatedAt.UTC())
	require.Empty(t, row.Permissions)
	do(21, 7, rbac.UserCreated{ID: domain.About(rbac.Subject("ann"), "ann again")}) // of one who was erased: nothing was deleted
	require.Equal(t, []string{"bob", "ann again"}, users())

	other, err := reads.Permissions(t.Context(), id(901), Keyset{})
	require.NoError(t, err)
	require.Empty(t, other)
}

// Live, in pages of every size, and rebuilt: the same rows.
func TestRBACRowsAreRebuilt(t *testing.T) {
	t.Parallel()
	h, db := newHistory(), pgtest.New(t)
	owner := productPool(t, db.URL)
	ledger := id(900)
	for i := range 60 {
		stream, at := id(1000+i%7), day(1+i)
		switch i % 6 {
		case 0:
			h.add(ledger, id(i), at, rbac.PermissionCreated{PermissionFields: rbac.PermissionFields{Value: "v", Dependencies: []byte(`{"b":"1","a":"2"}`)}})
		case 1:
			h.add(ledger, id(i), at, rbac.RoleCreated{RoleFields: rbac.RoleFields{Name: "r", Permissions: []uuid.UUID{id(i - 1)}}})
		case 2:
			role := id(i - 1)
			h.add(ledger, stream, at, rbac.UserCreated{ID: domain.About("s", fmt.Sprint(i)), Name: domain.About("s", "n"), Role: &role, Permissions: []uuid.UUID{id(i - 2)}})
		case 3:
			h.add(ledger, id(1000+(i-1)%7), at, rbac.UserRenamed{Name: domain.About("s", "m")}, rbac.UserAccessChanged{})
		case 4:
			h.add(ledger, id(1000+(i-2)%7), at, []domain.Event{rbac.UserDeleted{}, rbac.UserRenamed{}}[i/6%2])
		case 5:
			h.add(ledger, id(i-5), at, []domain.Event{rbac.PermissionDeleted{}, rbac.PermissionChanged{PermissionFields: rbac.PermissionFields{Value: "w"}}}[i/6%2])
			h.add(ledger, id(i-4), at, []domain.Event{rbac.RoleChanged{RoleFields: rbac.RoleFields{Name: "q"}}, rbac.RoleDeleted{}}[i/6%2])
		}
	}
	h.publish(t, owner)
	applied := NewApplied()
	running(t, Config{Log: small{h}, Pool: productPool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, ledger, h.head(ledger))
	rows := dump(t, owner)
	for _, table := range []string{"rbac_permissions", "rbac_roles", "rbac_users"} {
		require.NotEmpty(t, rows[table], table)
	}
	rebuild := NewRebuild(RebuildConfig{Log: h, Owner: owner, Models: []*Model{RBAC()}})
	require.NoError(t, rebuild.Run(t.Context()))
	differences, err := rebuild.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, differences)
	require.NoError(t, rebuild.Swap(t.Context()))
	require.Equal(t, rows, dump(t, owner))
}
