-- Kafka, the second complete copy. Which log this is: what is published says so, and a restored log is the same one.
CREATE TABLE yewu.store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id  uuid NOT NULL
);
INSERT INTO yewu.store (id) VALUES (gen_random_uuid());

-- The topics and how many partitions they were made with. That number is part of what subscribers rely on.
CREATE TABLE yewu.topic (
    name       text COLLATE "C" PRIMARY KEY,
    partitions integer NOT NULL CHECK (partitions > 0)
);

-- How each relay is doing: one works, others stand by. `position` is as far as it has published, as it last said: a hint
-- and an alarm, for the truth is in Kafka.
CREATE TABLE yewu.relay (
    name     text COLLATE "C" PRIMARY KEY,
    state    text NOT NULL,
    detail   text NOT NULL,
    position bigint NOT NULL,
    beat_at  timestamptz NOT NULL
);
