-- Parked rows that somebody wants folded again. The API may only read; it asks by calling request_retry, and the
-- projector of that schema answers by deleting the request.
CREATE TABLE yewu.retry_request (
    schema_name  text COLLATE "C" NOT NULL CHECK (schema_name ~ '^rm_[0-9a-z]+$'),
    row_table    text COLLATE "C" NOT NULL,
    row_key      text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (schema_name, row_table, row_key)
);

CREATE FUNCTION yewu.request_retry(name text, of_table text, of_key text)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO yewu.retry_request (schema_name, row_table, row_key, requested_at)
    VALUES (name, of_table, of_key, clock_timestamp()) ON CONFLICT DO NOTHING
$$;
