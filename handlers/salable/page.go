package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// page is a part of a list from v2 on; First and Last are null when it is empty.
type page[T any] struct {
	First *uuid.UUID `json:"first"`
	Last  *uuid.UUID `json:"last"`
	Data  []T        `json:"data"`
}

// readPart reads which part of a list is asked for: after the id cursor, at most take items.
func readPart(q *handlers.Query) projections.Keyset {
	return projections.Keyset{After: q.UUID("cursor"), Limit: int(q.Int("take", handlers.Min(1), handlers.Max(100)))}
}

// readSortedPart is readPart of a list that is also read from its end, the newest first.
func readSortedPart(q *handlers.Query) projections.Keyset {
	k := readPart(q)
	k.Desc = q.Enum("sort", []string{"asc", "desc"}) == "desc"
	return k
}

func writePage[T any](w http.ResponseWriter, items []T, id func(T) uuid.UUID) error {
	p := page[T]{Data: items}
	if n := len(items); n > 0 {
		first, last := id(items[0]), id(items[n-1])
		p.First, p.Last = &first, &last
	}
	return handlers.JSON(w, http.StatusOK, p)
}
