"""Checks of an installation: each gives findings, with what to type where something is wrong."""
