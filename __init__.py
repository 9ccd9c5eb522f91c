"""Assign anything described in words to its nearest class, on Milvus."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .catalog import Catalog
    from .errors import NearclassError
    from .estimator import NearestClassClassifier
    from .items import Items
    from .schemas.records import Assignment, Candidate, ClassSpec, Decision, Evidence, Item
    from .settings import Settings

__all__ = [
    "Assignment",
    "Candidate",
    "Catalog",
    "ClassSpec",
    "Decision",
    "Evidence",
    "Item",
    "Items",
    "NearclassError",
    "NearestClassClassifier",
    "Settings",
    "__version__",
]

__version__ = "0.1.0"

_HOME: Final = {
    "Assignment": ".schemas.records",
    "Candidate": ".schemas.records",
    "Catalog": ".catalog",
    "ClassSpec": ".schemas.records",
    "Decision": ".schemas.records",
    "Evidence": ".schemas.records",
    "Item": ".schemas.records",
    "Items": ".items",
    "NearclassError": ".errors",
    "NearestClassClassifier": ".estimator",
    "Settings": ".settings",
}


def __getattr__(name: str) -> Any:
    # Importing the package must stay cheap: the command's help is printed without numpy and the like.
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
