"""Measurements: each piece of work against its rivals, in one run, in turns."""
