"""Organisation and authority: regulation 2."""
