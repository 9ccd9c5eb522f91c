"""Clients of the service: ``Client``, and ``AsyncClient`` with the same calls."""

from .aio import AsyncClient
from .answers import ItemError, JobStatus, ServiceError, StoredItem, Written
from .blocking import Client

__all__ = ["AsyncClient", "Client", "ItemError", "JobStatus", "ServiceError", "StoredItem", "Written"]
