"""Classes as plain data, and back."""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import TaxonomyError
from .records import ClassSpec, ClassState

__all__ = ["TEXT_FIELDS", "spec_from_dict", "spec_to_dict"]

TEXT_FIELDS: Final = ("descriptions", "synonyms", "examples", "images")
"""Fields of a class that are lists of texts or references."""


def spec_to_dict(spec: ClassSpec) -> dict[str, Any]:
    """Gives a class as plain data, without what is absent; it can be imported again as a class row.

    Example:
        >>> spec_to_dict(ClassSpec("k", "Kettles", parent_id="h", synonyms=("teapot",), assignable=False))
        {'id': 'k', 'name': 'Kettles', 'parent': 'h', 'synonyms': ['teapot'], 'label': False}
    """
    row: dict[str, Any] = {"id": spec.id, "name": spec.name}
    if spec.parent_id is not None:
        row["parent"] = spec.parent_id
    row |= {key: list(texts) for key in TEXT_FIELDS if (texts := getattr(spec, key))}
    if spec.vector is not None:
        row["vector"] = list(spec.vector)
    if spec.assignable is not None:
        row["label"] = spec.assignable
    if spec.state is not ClassState.ACTIVE:
        row["state"] = spec.state.value
    if spec.attributes:
        row["attributes"] = dict(spec.attributes)
    return row


def spec_from_dict(row: Mapping[str, Any]) -> ClassSpec:
    """Gives back the class that ``spec_to_dict`` wrote; keys that it does not write are passed over.

    Raises:
        TaxonomyError: The id or the name is missing.
    """
    if missing := [key for key in ("id", "name") if key not in row]:
        message = f"a stored class has no {' and no '.join(missing)}: {dict(row)!r}"
        raise TaxonomyError(message)
    vector = row.get("vector")
    texts = {key: tuple(row.get(key, ())) for key in TEXT_FIELDS}
    return ClassSpec(
        id=row["id"],
        name=row["name"],
        parent_id=row.get("parent"),
        vector=None if vector is None else tuple(vector),
        assignable=row.get("label"),
        state=ClassState(row.get("state", ClassState.ACTIVE)),
        attributes=dict(row.get("attributes", {})),
        **texts,
    )
