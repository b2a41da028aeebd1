"""Bad days: a whole Yewu of real processes, killed, stopped and cut off under load, and judged by its log."""
