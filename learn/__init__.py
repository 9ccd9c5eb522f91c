"""Evidence to class vectors, and how good they are; pure computation."""
