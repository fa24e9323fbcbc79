"""Plans, runs and statistics."""
