package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
)

type eventsCommands struct {
	Tail eventsTail `cmd:"" help:"Print a ledger's last events, and with --follow the next ones."`
	Show eventsShow `cmd:"" help:"Print one event with everything that is known of it."`
}

type eventsTail struct {
	Database
	Output
	Ledger `embed:""`
	Lines  *number `short:"n" placeholder:"20" help:"How many: the last ones, by default 20; with --after the first ones after it, by default all."`
	After  *number `placeholder:"POSITION" help:"Begin after this position."`
	Follow bool    `short:"f" help:"Go on with new events until interrupted."`
}

// number is a whole number from 0. As a flag's value it takes "-1" for the number that it is, and not for a flag.
type number int64

func (n *number) Decode(ctx *kong.DecodeContext) error {
	text := fmt.Sprint(ctx.Scan.Pop().Value)
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 {
		return fmt.Errorf("want a number, 0 or more, not %q", text)
	}
	*n = number(v)
	return nil
}

func (c *eventsTail) Validate() error {
	if c.Follow && c.Lines != nil && c.After != nil {
		return errors.New("--follow goes on without an end: leave out --lines or --after")
	}
	return errors.Join(c.contradiction(), c.validate())
}

// span is after which position to begin, and how many events to print of what is there.
func (c *eventsTail) span(head int64) (after, most int64) {
	switch {
	case c.After != nil && c.Lines != nil:
		return int64(*c.After), int64(*c.Lines)
	case c.After != nil:
		return int64(*c.After), math.MaxInt64
	case c.Lines != nil:
		return max(0, head-int64(*c.Lines)), math.MaxInt64
	}
	return max(0, head-20), math.MaxInt64
}

func (c *eventsTail) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	ledger, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	head, _, err := s.store.Head(ctx, ledger)
	if err != nil {
		return err
	}
	if name, other := c.name(); head == 0 {
		p.say("%s", strings.TrimSpace(name+" is empty. "+other))
	}
	after, most := c.span(head)
	p.writeEventHeader(c.Output)
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for most > 0 {
		events, err := s.store.Page(ctx, ledger, after, int(min(most, 1000)))
		if c.Follow && ctx.Err() != nil {
			return nil // it was asked to end, while it read
		}
		if err != nil {
			return err
		}
		if err := p.writeEvents(c.Output, events); err != nil {
			return err
		}
		if len(events) > 0 {
			after, most = events[len(events)-1].Position, most-int64(len(events))
			continue
		}
		if !c.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // it was asked to end
		case <-again.C:
		}
	}
	return nil
}

// eventRow lays out a line of events: a page is printed before the next one is read, so columns are as wide as
// anything that goes into them can be.
func eventRow(position, at, kind, stream, data string) string {
	return fmt.Sprintf("%8s  %-26s  %-*s  %-36s  %s", position, at, longestType(), kind, stream, data)
}

// longestType is how long the name of an event can be.
var longestType = sync.OnceValue(func() (most int) {
	for _, v := range eventstore.Vocabularies() {
		for _, e := range v.Events {
			most = max(most, len(e.Name))
		}
	}
	return most
})

func (p *process) writeEventHeader(out Output) {
	if !out.json() {
		fmt.Fprintln(p.stdout, cut(eventRow("position", "recorded at", "type", "stream", "data"), p.width()))
	}
}

// writeEvents prints a line an event.
func (p *process) writeEvents(out Output, events []*eventstore.Recorded) error {
	width := p.width()
	for _, e := range events {
		text, err := handlers.EventJSON(e)
		if err != nil {
			return err
		}
		if out.json() {
			if _, err := fmt.Fprintf(p.stdout, "%s\n", text); err != nil {
				return err
			}
			continue
		}
		var shown struct{ Data json.RawMessage }
		if err := json.Unmarshal(text, &shown); err != nil {
			return err
		}
		line := eventRow(strconv.FormatInt(e.Position, 10), e.RecordedAt.Format("2006-01-02 15:04:05.000000"),
			printable(e.Type), e.Stream.String(), printable(shorten(string(shown.Data), 160)))
		if _, err := fmt.Fprintln(p.stdout, cut(line, width)); err != nil {
			return err
		}
	}
	return nil
}

// shorten cuts a text to n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

type eventsShow struct {
	Database
	Output
	Ledger   `embed:""`
	Position int64 `arg:"" help:"The event's position."`
	Stored   bool  `help:"Show data and meta as they are stored and hashed: personal values are ciphertext."`
}

func (c *eventsShow) Validate() error { return errors.Join(c.contradiction(), c.validate()) }

// storedEvent is what the hash is made of, and the hash.
type storedEvent struct {
	Ledger       uuid.UUID `json:"ledger"`
	Position     int64     `json:"position"`
	Stream       uuid.UUID `json:"stream"`
	Version      int64     `json:"version"`
	ID           uuid.UUID `json:"id"`
	Type         string    `json:"type"`
	RecordedAt   int64     `json:"recordedAtMicroseconds"`
	EffectiveAt  int64     `json:"effectiveAtMicroseconds"`
	Data         string    `json:"data"` // JSON text, byte for byte
	Meta         string    `json:"meta"`
	PreviousHash string    `json:"previousHash"` // hexadecimal
	Hash         string    `json:"hash"`
}

func (c *eventsShow) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	ledger, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	e, err := s.store.Event(ctx, ledger, c.Position)
	if refusal, ok := domain.AsRefusal(err); ok && refusal.Kind == domain.NotFound {
		name, other := c.name()
		return refused(other, "%s has no event at position %d", name, c.Position)
	}
	if err != nil {
		return err
	}
	if c.Stored {
		return c.stored(ctx, p, s, e)
	}
	text, err := handlers.EventJSON(e)
	if err != nil {
		return err
	}
	if c.json() {
		_, err = fmt.Fprintf(p.stdout, "%s\n", text)
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, printable(pretty.String()))
	return err
}

func (c *eventsShow) stored(ctx context.Context, p *process, s *session, e *eventstore.Recorded) error {
	var previous [32]byte
	if e.Position > 1 {
		before, err := s.store.Event(ctx, e.Ledger, e.Position-1)
		if err != nil {
			return err
		}
		previous = before.Hash
	}
	out := storedEvent{e.Ledger, e.Position, e.Stream, e.Version, e.ID, e.Type, e.RecordedAt.UnixMicro(), e.EffectiveAt.UnixMicro(),
		string(e.Data), string(e.Meta), fmt.Sprintf("%x", previous), fmt.Sprintf("%x", e.Hash)}
	if c.json() {
		return p.writeJSON(out)
	}
	p.writeTable(nil, [][]string{
		{"ledger", out.Ledger.String()}, {"position", strconv.FormatInt(out.Position, 10)},
		{"stream", out.Stream.String()}, {"version", strconv.FormatInt(out.Version, 10)}, {"event id", out.ID.String()}, {"type", out.Type},
		{"recorded at", e.RecordedAt.Format(time.RFC3339Nano)}, {"effective at", e.EffectiveAt.Format(time.RFC3339Nano)},
		{"data", out.Data}, {"meta", out.Meta}, {"previous hash", out.PreviousHash}, {"hash", out.Hash}})
	return nil
}
