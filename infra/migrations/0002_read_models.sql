-- Read models are schemas of their own, `rm_<fingerprint of the code>`, made and dropped by the projector. Here is only
-- what the others may ask of it, and what it tells them.

-- Which schemas of other times are wanted or kept. The API may only read; it asks by calling request_build.
CREATE TABLE yewu.build_request (
    schema_name  text COLLATE "C" PRIMARY KEY CHECK (schema_name ~ '^rm_[0-9a-z]+_[0-9a-f]{16}$'),
    fingerprint  text COLLATE "C" NOT NULL,     -- of the code that asks: its own builder answers
    tables       text[] NOT NULL,               -- the row tables that are needed
    as_of        timestamptz,                   -- only what was true by then; null: whatever is recorded
    known_at     timestamptz,                   -- only what was known by then; null: now
    requested_at timestamptz NOT NULL,
    used_at      timestamptz NOT NULL,
    state        text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'building', 'ready', 'failed')),
    done         bigint NOT NULL DEFAULT 0,
    goal         bigint NOT NULL DEFAULT 0,
    error        text
);

-- Ask for a schema, or say that one is used. `again`: it was found to be missing or behind. What failed is tried again
-- when it is asked for a minute later.
CREATE FUNCTION yewu.request_build(name text, code text, row_tables text[], true_at timestamptz, recorded_until timestamptz,
                                   again boolean)
    RETURNS yewu.build_request LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO yewu.build_request AS r
           (schema_name, fingerprint, tables, as_of, known_at, requested_at, used_at, state)
    VALUES (name, code, row_tables, true_at, recorded_until, clock_timestamp(), clock_timestamp(), 'waiting')
    ON CONFLICT (schema_name) DO UPDATE SET used_at = clock_timestamp(),
        (state, requested_at) = (
            SELECT n.state, CASE n.state WHEN r.state THEN r.requested_at ELSE clock_timestamp() END
              FROM (SELECT CASE WHEN again AND r.state = 'ready' THEN 'waiting'
                                WHEN r.state = 'failed' AND r.requested_at < clock_timestamp() - interval '1 minute'
                                THEN 'waiting' ELSE r.state END) n(state))
    RETURNING *
$$;

-- How far the building of a live schema is, while it lasts.
CREATE TABLE yewu.rebuild (
    schema_name text COLLATE "C" PRIMARY KEY,
    done        bigint NOT NULL,
    goal        bigint NOT NULL
);
