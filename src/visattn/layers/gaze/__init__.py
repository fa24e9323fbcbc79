"""Where to look in an image."""
