"""Attention over a set, given a query."""
