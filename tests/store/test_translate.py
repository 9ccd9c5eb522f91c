"""Every error that an engine was seen to raise becomes one of ours."""

import errno
from typing import Any

import grpc
import pytest
from pymilvus.exceptions import DescribeCollectionException, MilvusException, ParamError

from nearclass.errors import (
    CollectionMissingError,
    NearclassError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    StoreWriteError,
)
from nearclass.store.translate import NotLoadedError, TooLargeError, translate, translated


class Rpc(grpc.RpcError):
    """An error of the transport, which only a running call could make."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


def milvus(code: Any, message: str) -> MilvusException:
    return MilvusException(code=code, message=message)


SEEN: list[tuple[Exception, type[StoreError]]] = [
    (Rpc(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses"), StoreUnavailableError),
    (Rpc(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), StoreUnavailableError),
    (Rpc(grpc.StatusCode.CANCELLED, "Channel closed!"), StoreUnavailableError),
    (
        milvus(grpc.StatusCode.UNAVAILABLE, "[search] Retry timeout: 30s, StatusCode.UNAVAILABLE"),
        StoreUnavailableError,
    ),
    (
        milvus(2, "Fail connecting to server on 127.0.0.1:1, illegal connection params or server unavailable"),
        StoreUnavailableError,
    ),
    (milvus(8, "request is rejected by grpc RateLimiter middleware"), StoreUnavailableError),
    (milvus(1, "wait for loading collection timeout, collection: c"), StoreUnavailableError),
    (ValueError("Cannot invoke RPC on closed channel!"), StoreUnavailableError),
    (
        Rpc(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (287882500 vs. 268435456)",
        ),
        TooLargeError,
    ),
    (
        Rpc(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "grpc: received message larger than max (93463605 vs. 67108864)",
        ),
        TooLargeError,
    ),
    (Rpc(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!"), StoreError),
    (Rpc(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username"), StoreError),
    (milvus(65535, "auth check failure, please check api key is correct"), StoreError),
    (DescribeCollectionException(code=100, message="collection 't' does not exist"), CollectionMissingError),
    (milvus(100, "can't find collection[database=default][collection=t]"), CollectionMissingError),
    (milvus(4, "DescribeCollection failed: can't find collection: t"), CollectionMissingError),
    (
        milvus(101, "Collection 't' is in state 'released'; call load() before search/get/query"),
        NotLoadedError,
    ),
    (milvus(65535, "collection not loaded[collection=450]"), NotLoadedError),
    (
        milvus(1, "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        StoreWriteError,
    ),
    (OSError(errno.ENOSPC, "No space left on device"), StoreWriteError),
    (milvus(9, "force deny: memory quota exceeded"), StoreWriteError),
    (
        milvus(1, "Could not open Parquet input source '<Buffer>': Parquet magic bytes not found"),
        StoreDamagedError,
    ),
    (milvus(1, "both manifest.json and manifest.json.prev failed to load"), StoreDamagedError),
    (milvus(1, "current_seq is monotonic; tried to set 1610 < 2250"), StoreError),
    (milvus(1, ""), StoreError),
    (milvus(65535, "cannot parse expression: id in {x}"), StoreError),
    (ParamError(message="wrong type of argument"), StoreError),
    (PermissionError(errno.EACCES, "Permission denied"), StoreError),
    (RuntimeError("anything else"), StoreError),
]


@pytest.mark.parametrize(("error", "kind"), SEEN, ids=lambda value: str(value)[:60])
def test_every_error_that_was_seen_has_a_kind(error: Exception, kind: type[StoreError]) -> None:
    found = translate(error, "search things", "http://host:1")
    assert type(found) is kind
    assert found.message.startswith("cannot search things at http://host:1")


def test_only_lack_of_an_answer_may_be_retried() -> None:
    assert [kind.retryable for _, kind in SEEN] == [kind is StoreUnavailableError for _, kind in SEEN]


def test_access_refused_names_the_token() -> None:
    found = translate(Rpc(grpc.StatusCode.UNAUTHENTICATED, "auth check failure"), "connect", "http://host:1")
    assert "token" in found.hint


def test_our_own_errors_pass() -> None:
    own = NearclassError("ours")
    with pytest.raises(NearclassError) as caught, translated("do", "there"):
        raise own
    assert caught.value is own
