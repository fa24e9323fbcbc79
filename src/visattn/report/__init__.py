"""Stored results as tables and one-file HTML."""
