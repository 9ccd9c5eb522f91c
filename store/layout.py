"""Layout of a collection: from our specification to an engine's schema, and back for a comparison."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import SchemaMismatchError, StoreError
from ..schemas.collections import MAX_ID_BYTES, CollectionSpec, FieldType

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

__all__ = ["KEY", "VECTOR", "check_name", "check_same", "described", "expected", "schema_of"]

KEY: Final = "key"
VECTOR: Final = "vector"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
"""Names that every server takes (Milvus documentation, limits of collections); Milvus Lite would take any."""

_TYPES: Final[dict[FieldType, str]] = {
    FieldType.TEXT: "VARCHAR",
    FieldType.INT: "INT64",
    FieldType.FLOAT: "DOUBLE",
    FieldType.JSON: "JSON",
}


def check_name(name: str) -> str:
    """The name itself, if every engine takes it.

    Raises:
        StoreError: It has other characters than letters, digits and ``_``, starts with a digit, or is too
        long.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StoreError(
            f"not a name for a collection or an alias: {name!r}",
            hint="use letters, digits and '_', no digit first, at most 255 characters",
        )
    return name


def schema_of(spec: CollectionSpec) -> "CollectionSchema":
    """Schema that makes a collection of this layout, with no dynamic and no nullable field."""
    from pymilvus import CollectionSchema, DataType, FieldSchema  # noqa: PLC0415  # Costs a second to import.

    fields = [
        FieldSchema(KEY, DataType.VARCHAR, is_primary=True, auto_id=False, max_length=MAX_ID_BYTES),
        FieldSchema(VECTOR, DataType.FLOAT_VECTOR, dim=spec.dim),
    ]
    for field in spec.fields:
        # Servers count this length in bytes, Milvus Lite in characters: the store counts bytes itself,
        # before.
        length = {"max_length": field.max_bytes} if field.type is FieldType.TEXT else {}
        fields.append(FieldSchema(field.name, DataType[_TYPES[field.type]], **length))
    return CollectionSchema(fields, auto_id=False, enable_dynamic_field=False)


def expected(spec: CollectionSpec) -> dict[str, str]:
    """Type by name of every column that a specification asks for."""
    columns = {KEY: "VARCHAR", VECTOR: f"FLOAT_VECTOR({spec.dim})"}
    return columns | {field.name: _TYPES[field.type] for field in spec.fields}


def described(description: Mapping[str, Any]) -> dict[str, str]:
    """Type by name of every column in an engine's description of a collection."""
    columns = {}
    for field in description["fields"]:
        kind = field["type"].name
        columns[field["name"]] = f"{kind}({field['params'].get('dim')})" if "VECTOR" in kind else kind
    return columns


def check_same(name: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Pass if a collection has the layout that is wanted.

    Raises:
        SchemaMismatchError: It has not; both sides of every difference are named.
    """
    names = [column for column in {**wanted, **found} if found.get(column) != wanted.get(column)]
    if names:
        stored = ", ".join(f"{column}: {found.get(column, 'absent')}" for column in names)
        asked = ", ".join(f"{column}: {wanted.get(column, 'absent')}" for column in names)
        raise SchemaMismatchError(
            f"collection {name!r} exists with another layout: stored is {stored}; wanted is {asked}",
            hint="use another name, or drop the collection and load its data again",
        )
