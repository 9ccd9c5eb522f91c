"""What other programs call, under /v1."""
