"""Kafka, the second complete copy of the log: what is on the wire, how it gets there, and how it comes home."""
