package reactions

import (
	"database/sql"
	"encoding/json"
	"fmt"

	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
)

// batch is how many messages one transaction of a subscriber handles at most.
const batch = 100

// keyset keeps Watermill's messages in the tables of migration 0020. It reads by (topic, serial) from the last acknowledged serial on: the cost of a poll depends
// on neither what was acknowledged nor what waits. Serials are commit order, since publishing moves
// the topic's row, so no reader has to look at transaction ids, and a long transaction delays nobody.
type keyset struct{}

// offsets keeps the last acknowledged serial of each group.
type offsets struct{}

// InsertQuery implements wsql.SchemaAdapter. An unknown topic is an error: its serials are null.
func (keyset) InsertQuery(p wsql.InsertQueryParams) (wsql.Query, error) {
	ids, payloads, metadata := make([]string, len(p.Msgs)), make([]string, len(p.Msgs)), make([]string, len(p.Msgs))
	for i, m := range p.Msgs {
		meta, err := json.Marshal(m.Metadata)
		if err != nil {
			return wsql.Query{}, fmt.Errorf("encode the metadata of message %s: %w", m.UUID, err)
		}
		ids[i], payloads[i], metadata[i] = m.UUID, string(m.Payload), string(meta)
	}
	return wsql.Query{Query: `with moved as (
			update watermill_topics set serial = serial + cardinality($2::text[]) where topic = $1
			returning serial - cardinality($2::text[]) as before)
		insert into watermill_messages (topic, serial, uuid, payload, metadata)
		select $1, moved.before + m.n, m.uuid::uuid, m.payload::json, m.metadata::json
		from unnest($2::text[], $3::text[], $4::text[]) with ordinality m(uuid, payload, metadata, n)
		left join moved on true`,
		Args: []any{p.Topic, ids, payloads, metadata}}, nil
}

// SelectQuery implements wsql.SchemaAdapter. The limit stands over a plain index range: joined with
// the offset instead of reading it first, all that waits would be sorted. A process that hangs in a
// transaction loses it after a while, and with it the lock on the group's row.
func (k keyset) SelectQuery(p wsql.SelectQueryParams) (wsql.Query, error) {
	last, err := p.OffsetsAdapter.NextOffsetQuery(wsql.NextOffsetQueryParams{Topic: p.Topic, ConsumerGroup: p.ConsumerGroup})
	if err != nil {
		return wsql.Query{}, err
	}
	return wsql.Query{Query: fmt.Sprintf(`with guard as materialized (select set_config('idle_in_transaction_session_timeout', '30s', true) as "set"),
		last as materialized (%s)
		select serial, uuid::text, payload, metadata from watermill_messages
		where topic = $1 and serial > (select acked from last) and (select "set" from guard) is not null
		order by serial limit %d`, last.Query, batch), Args: last.Args}, nil
}

// UnmarshalMessage implements wsql.SchemaAdapter.
func (keyset) UnmarshalMessage(p wsql.UnmarshalMessageParams) (wsql.Row, error) {
	var row wsql.Row
	var id string
	if err := p.Row.Scan(&row.Offset, &id, &row.Payload, &row.Metadata); err != nil {
		return row, fmt.Errorf("scan a message: %w", err)
	}
	row.UUID, row.Msg = []byte(id), message.NewMessage(id, row.Payload)
	if err := json.Unmarshal(row.Metadata, &row.Msg.Metadata); err != nil {
		return row, fmt.Errorf("decode the metadata of message %s: %w", id, err)
	}
	return row, nil
}

// SubscribeIsolationLevel implements wsql.SchemaAdapter. The locked row of the group is all the
// isolation that is needed: a group's batches come one after the other.
func (keyset) SubscribeIsolationLevel() sql.IsolationLevel { return sql.LevelReadCommitted }

// SchemaInitializingQueries implements wsql.SchemaAdapter: nothing is made at run time.
func (keyset) SchemaInitializingQueries(wsql.SchemaInitializingQueriesParams) ([]wsql.Query, error) {
	return nil, nil
}

// NextOffsetQuery implements wsql.OffsetsAdapter. Another process that handles a batch is not waited for.
func (offsets) NextOffsetQuery(p wsql.NextOffsetQueryParams) (wsql.Query, error) {
	return wsql.Query{Query: `select acked from watermill_offsets where topic = $1 and consumer_group = $2 for no key update skip locked`,
		Args: []any{p.Topic, p.ConsumerGroup}}, nil
}

// AckMessageQuery implements wsql.OffsetsAdapter.
func (offsets) AckMessageQuery(p wsql.AckMessageQueryParams) (wsql.Query, error) {
	return wsql.Query{Query: `update watermill_offsets set acked = $3 where topic = $1 and consumer_group = $2`,
		Args: []any{p.Topic, p.ConsumerGroup, p.LastRow.Offset}}, nil
}

// ConsumedMessageQuery implements wsql.OffsetsAdapter: there is none.
func (offsets) ConsumedMessageQuery(wsql.ConsumedMessageQueryParams) (wsql.Query, error) {
	return wsql.Query{}, nil
}

// BeforeSubscribingQueries implements wsql.OffsetsAdapter: the migration made the group's row.
func (offsets) BeforeSubscribingQueries(wsql.BeforeSubscribingQueriesParams) ([]wsql.Query, error) {
	return nil, nil
}

// SchemaInitializingQueries implements wsql.OffsetsAdapter: nothing is made at run time.
func (offsets) SchemaInitializingQueries(wsql.OffsetsSchemaInitializingQueriesParams) ([]wsql.Query, error) {
	return nil, nil
}
