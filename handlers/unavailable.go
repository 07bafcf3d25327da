package handlers

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/subledger/subledger/eventstore"
)

// unavailable tells errors of a database that is away, full or overloaded, where a retry may help, from
// faults, where it does not. What an append means under them is the store's to say; here it is reads.
func unavailable(err error) bool {
	var (
		connect *pgconn.ConnectError
		network net.Error
		server  *pgconn.PgError
	)
	switch {
	case errors.As(err, &server):
		// Class 08 connection, 53 resources, 57 operator intervention, 58 system; 55P03 lock timeout,
		// 25006 read-only: a standby.
		return slices.Contains([]string{"08", "53", "57", "58"}, server.Code[:2]) ||
			server.Code == "55P03" || server.Code == "25006"
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return true
	}
	return eventstore.Fenced(err) || pgconn.SafeToRetry(err)
}
