"""Seeded bugs: each would lose or reveal something, and each is caught by a test that is named beside it."""
