"""Mechanisms as modules: one file is one mechanism."""
