"""Putting mechanisms into networks, and taking them out."""
