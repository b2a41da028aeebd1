"""Kafka, the second complete copy of the log: what is on the wire, how it gets there, and how it comes home."""


class KafkaTrouble(Exception):
    """Something about Kafka is not as it should be; the sentence says what, for people to read."""
