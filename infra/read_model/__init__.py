"""The read model: one PostgreSQL schema for each version of the code, folded out of the log and thrown away at will."""
