"""Gates per position."""
