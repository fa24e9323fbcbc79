"""Labelled images from embedded sets, folders and files."""
