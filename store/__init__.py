"""The only package that knows Milvus: collections of rows, searched by inner product.

``Store.open`` takes a path (the engine runs inside this process) or the URL of a Milvus server. Importing
this package imports neither the engine nor its client.
"""

from .store import Hit, Store

__all__ = ["Hit", "Store"]
