"""The write path: sources, mapping, rejects, checkpoints, pipeline."""
