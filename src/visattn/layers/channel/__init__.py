"""Gates per channel."""
