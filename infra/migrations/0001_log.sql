-- The log: one append-only table, and the one function that writes to it.
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

-- One batch of appends in one transaction. An append is all or nothing: one change for each stream it touches, all its
-- events, guards and reservations. Appends are refused singly; the others get consecutive positions.
CREATE FUNCTION yewu.append(
    append_key uuid[], append_hash text[],                                -- one element per append; no hash: no answer kept
    change_append int[], change_stream text[], change_expected bigint[],  -- one per stream; no expected version: any
    event_append int[], event_key uuid[], event_actor text[],             -- one per event; tags joined by chr(31)
    event_change int[], event_stream text[], event_no int[], event_type text[], event_schema int[],
    event_effective timestamptz[], event_data bytea[], event_meta bytea[], event_tags text[],
    guard_append int[], guard_after bigint[], guard_types text[], guard_tags text[],
    held_append int[], held_scope text[], held_value text[], held_stream text[],
    max_tail bigint,                -- facts older than this many events cannot be checked
    known bigint,                   -- where the caller's memory of the log ends
    only_at bigint,                 -- refuse everything unless the log ends here; null: anywhere
    OUT base bigint, OUT recorded timestamptz,
    OUT stale int[], OUT stale_stream text[], OUT stale_version bigint[],
    OUT far int[],
    OUT moved int[], OUT moved_at bigint[], OUT moved_type text[], OUT moved_tag text[],
    OUT repeated int[], OUT repeated_hash text[], OUT repeated_first bigint[], OUT repeated_last bigint[],
    OUT taken int[], OUT taken_scope text[], OUT taken_by text[],
    OUT seen_type text[], OUT seen_tags text[]                             -- what others wrote after `known`, in order
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_recorded timestamptz;
    versions bigint[];
    lo bigint;
    written bigint;
    bad int[];
BEGIN
    -- The lock comes first and in a statement of its own: under read committed every later statement then has a
    -- snapshot that contains all that was committed before, so nobody's events can be missed.
    SELECT h.position, h.recorded_at INTO STRICT base, last_recorded FROM yewu.head h FOR UPDATE;
    recorded := greatest(clock_timestamp(), last_recorded);

    SELECT array_agg(coalesce((SELECT l.version FROM yewu.log l WHERE l.stream_id = x.stream
                                ORDER BY l.version DESC LIMIT 1), 0) ORDER BY x.o)
      INTO versions FROM unnest(change_stream) WITH ORDINALITY x(stream, o);
    SELECT array_agg(change_append[x.o]), array_agg(change_stream[x.o]), array_agg(versions[x.o])
      INTO stale, stale_stream, stale_version
      FROM unnest(change_expected) WITH ORDINALITY x(expected, o)
     WHERE x.expected <> versions[x.o] OR base <> only_at;

    IF cardinality(guard_append) > 0 THEN
        SELECT min(g.after) FILTER (WHERE z.near), array_agg(g.no) FILTER (WHERE NOT z.near) INTO lo, far
          FROM unnest(guard_append, guard_after) g(no, after),
               LATERAL (SELECT g.after BETWEEN base - max_tail AND base) z(near);
        IF lo < base THEN
            SELECT array_agg(m.append_no), array_agg(m.at), array_agg(m.type), array_agg(m.tag)
              INTO moved, moved_at, moved_type, moved_tag
              FROM yewu.facts_moved(lo, base, guard_append, guard_after, guard_types, guard_tags) m;
        END IF;
    END IF;

    SELECT array_agg(k.o), array_agg(a.body_hash), array_agg(a.first_position), array_agg(a.last_position)
      INTO repeated, repeated_hash, repeated_first, repeated_last
      FROM unnest(append_key, append_hash) WITH ORDINALITY k(id, hash, o)
      JOIN yewu.answer a ON a.command_id = k.id WHERE k.hash IS NOT NULL;

    IF cardinality(held_append) > 0 THEN
        SELECT array_agg(r.no), array_agg(r.scope), array_agg(v.stream_id) INTO taken, taken_scope, taken_by
          FROM unnest(held_append, held_scope, held_value, held_stream) r(no, scope, value, stream)
          JOIN yewu.reservation v ON v.scope = r.scope AND v.value = r.value AND v.stream_id <> r.stream;
    END IF;

    IF known BETWEEN base - 2000 AND base - 1 THEN
        SELECT array_agg(l.type ORDER BY l.position), array_agg(array_to_string(l.tags, chr(31)) ORDER BY l.position)
          INTO seen_type, seen_tags FROM yewu.log l WHERE l.position > known AND l.position <= base;
    END IF;

    bad := coalesce(stale, '{}') || coalesce(far, '{}') || coalesce(moved, '{}') || coalesce(repeated, '{}')
           || coalesce(taken, '{}');
    INSERT INTO yewu.log (position, stream_id, version, type, schema, event_id, recorded_at, effective_at, actor_id,
                          command_id, data, tags, meta)
    SELECT base + row_number() OVER (ORDER BY e.o), e.stream, versions[e.change] + e.no, e.type, e.schema,
           gen_random_uuid(), recorded, least(coalesce(e.effective, recorded), recorded), e.actor, e.key, e.data,
           string_to_array(e.tags, chr(31)), e.meta
      FROM unnest(event_append, event_key, event_actor, event_change, event_stream, event_no, event_type, event_schema,
                  event_effective, event_data, event_meta, event_tags)
           WITH ORDINALITY e(append, key, actor, change, stream, no, type, schema, effective, data, meta, tags, o)
     WHERE e.append <> ALL (bad);
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written = 0 THEN
        RETURN;
    END IF;
    UPDATE yewu.head h SET position = base + written, recorded_at = recorded;

    INSERT INTO yewu.answer (command_id, body_hash, first_position, last_position)
    SELECT a.key, a.hash, min(p.position), max(p.position)
      FROM (SELECT e.append, base + row_number() OVER (ORDER BY e.o) AS position
              FROM unnest(event_append) WITH ORDINALITY e(append, o) WHERE e.append <> ALL (bad)) p
      JOIN unnest(append_key, append_hash) WITH ORDINALITY a(key, hash, o) ON a.o = p.append
     WHERE a.hash IS NOT NULL GROUP BY a.key, a.hash;
    IF cardinality(held_append) > 0 THEN
        INSERT INTO yewu.reservation (scope, value, stream_id)
        SELECT r.scope, r.value, r.stream
          FROM unnest(held_append, held_scope, held_value, held_stream) r(no, scope, value, stream)
         WHERE r.no <> ALL (bad) ON CONFLICT DO NOTHING;
    END IF;
END $$;
