"""Context and self-attention blocks."""
