"""Texts to unit vectors in a space."""
