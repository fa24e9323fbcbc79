"""Blocks of published networks around a mechanism."""
