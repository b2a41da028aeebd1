-- The one function that writes to the log; an older one, of other arguments, gives way to it.
DROP FUNCTION IF EXISTS yewu.append;

-- One batch of appends in one transaction. An append is all or nothing: one change for each stream it touches, all its
-- events, guards and reservations. Appends are refused singly; the others get consecutive positions. Its statements are
-- planned once, always by the indexes: planning them anew each time costs a single append more than all the rest. What
-- every append brings along is unnested side by side in a list of columns, for in FROM each array would become a table
-- of its own first.
CREATE FUNCTION yewu.append(
    append_key uuid[], append_hash text[],                                -- one element per append; no hash: no answer kept
    change_append int[], change_stream text[], change_expected bigint[],  -- one per stream; no expected version: any
    event_change int[], event_no int[], event_key uuid[], event_actor text[],   -- one per event; tags joined by chr(31)
    event_type text[], event_schema int[], event_effective timestamptz[], event_data bytea[], event_meta bytea[],
    event_tags text[],
    guard_append int[], guard_after bigint[], guard_types text[], guard_tags text[],
    held_change int[], held_scope text[], held_value text[],
    max_tail bigint,                -- facts older than this many events cannot be checked
    known bigint,                   -- where the caller's memory of the log ends
    only_at bigint,                 -- refuse everything unless the log ends here; null: anywhere
    event_id uuid[] DEFAULT NULL,   -- one per event; older code leaves them to us, which is slow (ADR 30)
    OUT base bigint, OUT recorded timestamptz,      -- the position before the first new event; when they were recorded
    OUT refused json,                               -- which appends are not written, and why; null: all are
    OUT seen json                                   -- [[type, [tag …]] …] of what others wrote after `known`, in order
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
    SET enable_hashjoin = off SET enable_mergejoin = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    wanted int := cardinality(event_change);
    answers boolean := array_remove(append_hash, NULL) <> '{}';
    versions bigint[];
    lo bigint;
    stale int[]; stale_at json;
    far int[];
    moved int[]; moved_by json;
    repeated int[]; repeated_of json;
    taken int[]; taken_by json;
    bad int[];
    places int[];
    written int;
BEGIN
    -- The lock comes first and in a statement of its own: under read committed every later statement then has a
    -- snapshot that contains all that was committed before, so nobody's events can be missed.
    UPDATE yewu.head h SET position = h.position + wanted, recorded_at = greatest(clock_timestamp(), h.recorded_at)
 RETURNING h.position - wanted, h.recorded_at INTO STRICT base, recorded;

    versions := ARRAY(SELECT coalesce((SELECT l.version FROM yewu.log l WHERE l.stream_id = x.stream
                                        ORDER BY l.version DESC LIMIT 1), 0)
                        FROM (SELECT unnest(change_stream) AS stream) x);
    IF change_expected <> versions OR base <> only_at THEN
        SELECT array_agg(change_append[x.o]),
               json_agg(json_build_array(change_append[x.o], change_stream[x.o], versions[x.o]))
          INTO stale, stale_at
          FROM unnest(change_expected) WITH ORDINALITY x(expected, o)
         WHERE x.expected <> versions[x.o] OR base <> only_at;
    END IF;

    IF base <> ANY (guard_after) THEN                  -- else whoever decided knew all that is there
        SELECT min(g.after) FILTER (WHERE z.near), array_agg(g.no) FILTER (WHERE NOT z.near) INTO lo, far
          FROM (SELECT unnest(guard_append) AS no, unnest(guard_after) AS after) g,
               LATERAL (SELECT g.after BETWEEN base - max_tail AND base) z(near);
        IF lo < base THEN
            SELECT array_agg(m.append_no), json_agg(json_build_array(m.append_no, m.at, m.type, m.tag))
              INTO moved, moved_by
              FROM yewu.facts_moved(lo, base, guard_append, guard_after, guard_types, guard_tags) m;
        END IF;
    END IF;

    IF answers THEN
        SELECT array_agg(k.o), json_agg(json_build_array(k.o, a.body_hash, a.first_position, a.last_position))
          INTO repeated, repeated_of
          FROM (SELECT generate_series(1, cardinality(append_key)) AS o, unnest(append_key) AS id,
                       unnest(append_hash) AS hash) k
          JOIN yewu.answer a ON a.command_id = k.id WHERE k.hash IS NOT NULL;
    END IF;

    IF cardinality(held_change) > 0 THEN
        SELECT array_agg(change_append[r.change]),
               json_agg(json_build_array(change_append[r.change], r.scope, v.stream_id))
          INTO taken, taken_by
          FROM unnest(held_change, held_scope, held_value) r(change, scope, value)
          JOIN yewu.reservation v ON v.scope = r.scope AND v.value = r.value
                                 AND v.stream_id <> change_stream[r.change];
    END IF;

    IF known BETWEEN base - 2000 AND base - 1 THEN
        SELECT json_agg(json_build_array(l.type, l.tags) ORDER BY l.position)
          INTO seen FROM yewu.log l WHERE l.position > known AND l.position <= base;
    END IF;

    bad := coalesce(stale, '{}') || coalesce(far, '{}') || coalesce(moved, '{}') || coalesce(repeated, '{}')
           || coalesce(taken, '{}');
    IF bad <> '{}' THEN
        refused := json_build_object('stale', stale_at, 'far', far, 'moved', moved_by, 'repeated', repeated_of,
                                     'taken', taken_by);
        SELECT array_agg(p.place ORDER BY p.o) INTO places                       -- the others close ranks
          FROM (SELECT x.o, count(*) FILTER (WHERE change_append[x.change] <> ALL (bad)) OVER (ORDER BY x.o) AS place
                  FROM unnest(event_change) WITH ORDINALITY x(change, o)) p;
    END IF;

    INSERT INTO yewu.log (position, stream_id, version, type, schema, event_id, recorded_at, effective_at, actor_id,
                          command_id, data, tags, meta)
    SELECT base + coalesce(places[e.o], e.o), change_stream[e.change], versions[e.change] + e.no, e.type, e.schema,
           coalesce(e.id, gen_random_uuid()), recorded, least(coalesce(e.effective, recorded), recorded), e.actor,
           e.key, e.data, string_to_array(e.tags, chr(31)), e.meta
      FROM (SELECT generate_series(1, wanted) AS o, unnest(event_change) AS change, unnest(event_no) AS no,
                   unnest(event_id) AS id, unnest(event_key) AS key, unnest(event_actor) AS actor,
                   unnest(event_type) AS type, unnest(event_schema) AS schema, unnest(event_effective) AS effective,
                   unnest(event_data) AS data, unnest(event_meta) AS meta, unnest(event_tags) AS tags) e
     WHERE change_append[e.change] <> ALL (bad);
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written < wanted THEN
        UPDATE yewu.head h SET position = base + written;
    END IF;

    IF answers AND written > 0 THEN
        INSERT INTO yewu.answer (command_id, body_hash, first_position, last_position)
        SELECT append_key[p.append], append_hash[p.append], min(p.position), max(p.position)
          FROM (SELECT change_append[x.change] AS append, base + coalesce(places[x.o], x.o) AS position
                  FROM (SELECT generate_series(1, wanted) AS o, unnest(event_change) AS change) x) p
         WHERE p.append <> ALL (bad) AND append_hash[p.append] IS NOT NULL GROUP BY p.append;
    END IF;
    IF cardinality(held_change) > 0 THEN
        INSERT INTO yewu.reservation (scope, value, stream_id)
        SELECT r.scope, r.value, change_stream[r.change]
          FROM unnest(held_change, held_scope, held_value) r(change, scope, value)
         WHERE change_append[r.change] <> ALL (bad) ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- At once and not only with all other rights: older code that runs beside must not find it closed in between.
GRANT EXECUTE ON FUNCTION yewu.append TO yewu_app;
