-- A schema may also be wanted with other values of parameters than those on record.
ALTER TABLE yewu.build_request ADD COLUMN supposing text[] NOT NULL DEFAULT '{}';  -- 'P-05 S2 3': parameter, name, amount

DROP FUNCTION yewu.request_build(text, text, text[], timestamptz, timestamptz, boolean);
CREATE FUNCTION yewu.request_build(name text, code text, row_tables text[], true_at timestamptz, recorded_until timestamptz,
                                   supposed text[], again boolean)
    RETURNS yewu.build_request LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO yewu.build_request AS r
           (schema_name, fingerprint, tables, as_of, known_at, supposing, requested_at, used_at, state)
    VALUES (name, code, row_tables, true_at, recorded_until, supposed, clock_timestamp(), clock_timestamp(), 'waiting')
    ON CONFLICT (schema_name) DO UPDATE SET used_at = clock_timestamp(),
        (state, requested_at) = (
            SELECT n.state, CASE n.state WHEN r.state THEN r.requested_at ELSE clock_timestamp() END
              FROM (SELECT CASE WHEN again AND r.state = 'ready' THEN 'waiting'
                                WHEN r.state = 'failed' AND r.requested_at < clock_timestamp() - interval '1 minute'
                                THEN 'waiting' ELSE r.state END) n(state))
    RETURNING *
$$;
