package handlers

import (
	"github.com/go-json-experiment/json"

	"github.com/subledger/subledger/eventstore"
)

// EventJSON is an event as GET /events/{position} answers it, for what shows events without HTTP.
func EventJSON(r *eventstore.Recorded) ([]byte, error) {
	out, err := eventOut(r)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}
