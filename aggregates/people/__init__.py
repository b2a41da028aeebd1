"""People: regulation 4."""
