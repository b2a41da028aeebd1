-- How far each policy has come. It only reads and appends; here it says so by compare-and-set, so that two of one name
-- cannot go on from different places.
CREATE TABLE yewu.policy (
    name     text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    beat_at  timestamptz NOT NULL
);

-- The position of a policy, 0 for a new one.
CREATE FUNCTION yewu.policy_position(which text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO yewu.policy AS p (name, position, beat_at) VALUES (which, 0, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET beat_at = clock_timestamp() RETURNING p.position
$$;

-- Go on from one position to another; false if somebody else has gone on meanwhile.
CREATE FUNCTION yewu.move_policy(which text, was bigint, now bigint) RETURNS boolean LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    WITH moved AS (
        UPDATE yewu.policy SET position = now, beat_at = clock_timestamp()
         WHERE name = which AND position = was AND now >= was RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM moved)
$$;
