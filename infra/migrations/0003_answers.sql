-- The answers kept under idempotency keys say nothing that the log does not: made anew from it, after a restore.
CREATE FUNCTION yewu.rebuild_answers(OUT answers bigint) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM yewu.head FOR UPDATE;          -- nobody appends meanwhile
    DELETE FROM yewu.answer;
    INSERT INTO yewu.answer (command_id, body_hash, first_position, last_position)
    SELECT l.command_id, l.body_hash, min(l.position), max(l.position)
      FROM (SELECT command_id, position, convert_from(meta, 'UTF8')::jsonb ->> 'body_hash' AS body_hash
              FROM yewu.log) l
     WHERE l.body_hash IS NOT NULL GROUP BY l.command_id, l.body_hash;
    GET DIAGNOSTICS answers = ROW_COUNT;
END $$;
