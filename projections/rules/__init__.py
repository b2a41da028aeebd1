"""Conformance rules as data, each a fold over the log: one module for each part of the regulation."""
