-- The log: one append-only table. The one function that writes to it stands in 0014.
CREATE SCHEMA IF NOT EXISTS yewu;

CREATE TABLE yewu.log (
    position     bigint PRIMARY KEY,            -- gapless: 1, 2, 3 …
    stream_id    text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,               -- gapless within the stream
    type         text COLLATE "C" NOT NULL,
    schema       integer NOT NULL,
    event_id     uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,          -- when we knew; never behind the previous position
    effective_at timestamptz NOT NULL,          -- when it was true; never after recorded_at
    actor_id     text COLLATE "C" NOT NULL,
    command_id   uuid NOT NULL,
    data         bytea NOT NULL,                -- canonical JSON, the exact bytes that are hashed and published
    tags         text[] NOT NULL,               -- every stream the event mentions, its own first
    meta         bytea NOT NULL,
    UNIQUE (stream_id, version)
);

-- One row. Whoever appends holds its lock, so positions have the order of commits and no reader can miss one.
CREATE TABLE yewu.head (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    position    bigint NOT NULL,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO yewu.head (position, recorded_at) VALUES (0, '-infinity');

-- What was answered under an idempotency key. Derived: command_id, positions and meta of the log say the same.
CREATE TABLE yewu.answer (
    command_id     uuid PRIMARY KEY,
    body_hash      text NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL
);

-- Values that only one stream may carry. Derived: the events that carry them say the same.
CREATE TABLE yewu.reservation (
    scope     text COLLATE "C" NOT NULL,
    value     text COLLATE "C" NOT NULL,
    stream_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, value)
);

CREATE FUNCTION yewu.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON yewu.log
    FOR EACH STATEMENT EXECUTE FUNCTION yewu.refuse_change();

-- For auditors: the log as they would read it.
CREATE VIEW yewu.event AS
    SELECT position, stream_id, version, type, schema, event_id, recorded_at, effective_at, actor_id, command_id,
           convert_from(data, 'UTF8')::jsonb AS data, tags, convert_from(meta, 'UTF8')::jsonb AS meta
      FROM yewu.log;

-- The guards of a batch against the tail of the log (lo, hi]: one range scan and one hash join, whatever the statistics
-- say or fail to say; the settings are part of the function.
CREATE FUNCTION yewu.facts_moved(lo bigint, hi bigint, guard_append int[], guard_after bigint[], guard_types text[],
                                 guard_tags text[])
    RETURNS TABLE (append_no int, at bigint, type text, tag text) LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
    SET enable_nestloop = off SET enable_mergejoin = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    wanted text[] := ARRAY(SELECT DISTINCT unnest(string_to_array(x, chr(31))) FROM unnest(guard_types) x);
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (g.no) g.no, e.position, e.type::text, e.tag::text
      FROM (SELECT l.position, l.type, unnest(l.tags) AS tag
              FROM yewu.log l WHERE l.position > lo AND l.position <= hi AND l.type = ANY (wanted)) e
      JOIN (SELECT q.no, q.after, q.type, unnest(string_to_array(q.tags, chr(31))) AS tag
              FROM (SELECT u.no, u.after, u.tags, unnest(string_to_array(u.types, chr(31))) AS type
                      FROM unnest(guard_append, guard_after, guard_types, guard_tags) u(no, after, types, tags)) q) g
        ON g.type = e.type AND g.tag = e.tag AND e.position > g.after
     ORDER BY g.no, e.position DESC;
END $$;
