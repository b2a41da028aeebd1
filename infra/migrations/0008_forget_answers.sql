-- A key counts for 30 days: then its answer is forgotten, so that what an append looks up and writes at random stays
-- small however long the log is.

-- The last position recorded more than 30 days ago: answers to later commands are kept. Positions are gapless and
-- recorded one after the other, so it is found by halves.
CREATE FUNCTION yewu.last_forgotten() RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    oldest timestamptz := clock_timestamp() - interval '30 days';
    low bigint := 0;
    high bigint := (SELECT position FROM yewu.head);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT recorded_at < oldest FROM yewu.log WHERE position = middle) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- Called now and then by the projector.
CREATE FUNCTION yewu.forget_answers(OUT forgotten bigint) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place bigint := yewu.last_forgotten();
BEGIN
    DELETE FROM yewu.answer WHERE last_position <= place;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
END $$;

CREATE OR REPLACE FUNCTION yewu.rebuild_answers(OUT answers bigint) LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place bigint;
BEGIN
    PERFORM FROM yewu.head FOR UPDATE;          -- nobody appends meanwhile
    place := yewu.last_forgotten();
    TRUNCATE yewu.answer;                       -- and its index is small again
    INSERT INTO yewu.answer (command_id, body_hash, first_position, last_position)
    SELECT l.command_id, l.body_hash, min(l.position), max(l.position)
      FROM (SELECT command_id, position, convert_from(meta, 'UTF8')::jsonb ->> 'body_hash' AS body_hash
              FROM yewu.log WHERE position > place) l
     WHERE l.body_hash IS NOT NULL GROUP BY l.command_id, l.body_hash;
    GET DIAGNOSTICS answers = ROW_COUNT;
END $$;

SELECT yewu.rebuild_answers();
