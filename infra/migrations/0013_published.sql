-- What a relay that begins need not read in the ledger: up to which position everything was in Kafka, and the last position
-- in each partition then. A hint as well: an older one only means that more is read.
ALTER TABLE yewu.relay ADD COLUMN whole jsonb;

-- Somebody has allowed the relay to send anew what Kafka has lost; taken away again as soon as one goes on.
CREATE TABLE yewu.republish (
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
