"""A small catalogue of an electronics and household shop, and the tour that uses it."""
