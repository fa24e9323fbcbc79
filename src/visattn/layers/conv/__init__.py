"""Convolutions with attention inside."""
