"""Pictures: from a reference to checked pixels."""
