"""Names of a catalogue's collections: an alias that is read through, and behind it a physical name with a version."""

__all__ = ["alias", "first_version", "state_collection"]


def alias(catalog: str, kind: str, space: str) -> str:
    """Name that reads and writes use.

    >>> alias("default", "items", "minilm_0a1b")
    'nc_default_items_minilm_0a1b'
    """
    return f"nc_{catalog}_{kind}_{space}"


def first_version(alias_name: str) -> str:
    """Physical name of the first collection behind an alias."""
    return f"{alias_name}_v1"


def state_collection(catalog: str) -> str:
    """Name of the collection with a catalogue's documents.

    >>> state_collection("default")
    'nc_default_state'
    """
    return f"nc_{catalog}_state"
