package rbac

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// MaxLinks bounds the permissions of one role or user (rule A2), and so what an answer about it can hold.
const MaxLinks = 500

// PermissionRef is a permission as roles and users show it.
type PermissionRef struct {
	ID    uuid.UUID `json:"id"`
	Value string    `json:"value"`
	Type  *string   `json:"type,omitzero"`
}

// Links changes which permissions a role or a user has: Replace is all of them; without it Add links some,
// and then Remove takes some away. Adding one that is linked and removing one that is not change nothing.
type Links struct {
	Replace     *[]uuid.UUID
	Add, Remove []uuid.UUID
}

// permission is nil for an id that no permission has, or one that is deleted.
func permission(l domain.Ledger, id uuid.UUID) (*Permission, error) {
	state, err := l.Load(id)
	if err != nil {
		return nil, err
	}
	if p, ok := state.(*Permission); ok && !p.Deleted {
		return p, nil
	}
	return nil, nil
}

// apply gives the permissions that are linked afterwards. Ids that no permission has are noted, wherever they
// stand in the request; those that were linked and are deleted since stay as they are until others change.
// It loads all that an answer about them shows. An error is the ledger's.
func (c Links) apply(l domain.Ledger, bad *domain.Problems, had []uuid.UUID) ([]uuid.UUID, error) {
	live, err := living(l, had, func(int) {})
	if err != nil {
		return nil, err
	}
	named := func(below string, ids []uuid.UUID) ([]uuid.UUID, error) {
		return living(l, ids, func(i int) {
			bad.Add(fmt.Sprintf("/permissions%s/%d", below, i), "no_permission", "is not a permission here")
		})
	}
	next := slices.Clone(live)
	if c.Replace != nil {
		if next, err = named("", *c.Replace); err != nil {
			return nil, err
		}
	} else {
		add, err := named("/add", c.Add)
		if err != nil {
			return nil, err
		}
		remove, err := named("/remove", c.Remove)
		if err != nil {
			return nil, err
		}
		next = slices.DeleteFunc(unique(append(next, add...)), func(id uuid.UUID) bool { return slices.Contains(remove, id) })
	}
	switch {
	case len(next) > MaxLinks:
		bad.Add("/permissions", "too_many", "there are %d, at most %d are allowed", len(next), MaxLinks)
	case slices.Equal(next, live): // rule A4
		return had, nil
	}
	return next, nil
}

// living are the ids that permissions have, each once; it tells of the others.
func living(l domain.Ledger, ids []uuid.UUID, dead func(i int)) (live []uuid.UUID, err error) {
	for i, id := range ids {
		p, err := permission(l, id)
		switch {
		case err != nil:
			return nil, err
		case p == nil:
			dead(i)
		default:
			live = append(live, id)
		}
	}
	return unique(live), nil
}

// unique leaves the first of each.
func unique(ids []uuid.UUID) (all []uuid.UUID) {
	seen := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	return all
}

// refs shows permissions in their order; those that are deleted are not there (rule A3).
func refs(l domain.Ledger, ids []uuid.UUID) ([]PermissionRef, error) {
	all := []PermissionRef{}
	for _, id := range ids {
		p, err := permission(l, id)
		if err != nil {
			return nil, err
		}
		if p != nil {
			all = append(all, PermissionRef{ID: id, Value: p.Fields.Value, Type: p.Fields.Type})
		}
	}
	return all, nil
}
