"""Scenarios of commands, a module for each part of the regulation; `scenarios.py` lists them all."""
