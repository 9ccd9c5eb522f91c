"""What a catalogue has stored, as rows."""

from nearclass.store.spaces import SpaceCollections

__all__ = ["items_of", "rows_of"]


def items_of(catalog, space):
    """Stored items of a space by id, with every field of their rows."""
    place = SpaceCollections.of(catalog.settings.catalog, space)
    fields = tuple(place.specs[place.items].field_names)
    return {row["item_id"]: row for row in catalog.store.query(place.items, fields=("vector", *fields))}


def rows_of(catalog, collection, *fields):
    """Every row of a collection, with these fields."""
    return [row for page in catalog.store.scan(collection, fields=fields) for row in page]
