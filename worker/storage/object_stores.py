"""Opens the filesystem of a URL so that it answers soon or fails.

Object stores are as slow to give up as their libraries are patient: connections that are tried six
times, answers that are waited for without end. Here nothing is tried again (who waits for a store
says so, and chooses the pauses), and every call has a limit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fsspec import get_filesystem_class
from fsspec.config import conf
from fsspec.core import split_protocol, url_to_fs

CONNECT_SECONDS = 1.5
BYTES_PER_SECOND = 2**20
"""What is sent may take longer in this proportion."""


def open_store(url: str, seconds: float) -> tuple[Any, str]:
    """The filesystem of a URL, and its root there; of S3 no call waits longer than ``seconds`` for
    an answer.
    """
    if not _is_s3(url):
        filesystem, root = url_to_fs(url)
        return filesystem, root
    limits = {
        "connect_timeout": min(CONNECT_SECONDS, seconds),
        "read_timeout": seconds,
        "retries": {"total_max_attempts": 1},
    }
    own = conf.get("s3", {}).get("config_kwargs", {})  # as set for fsspec on this host
    filesystem, root = url_to_fs(url, config_kwargs={**limits, **own})
    if filesystem.retries != 1:  # kept and given out again by fsspec
        filesystem.retries = 1
        filesystem._call_s3 = _limited(filesystem._call_s3, seconds)
    return filesystem, root


def _is_s3(url: str) -> bool:
    protocol, _ = split_protocol(url)
    if protocol is None:
        return False
    names = get_filesystem_class(protocol).protocol
    return "s3" in ((names,) if isinstance(names, str) else names)


def _limited(call: Callable[..., Awaitable[Any]], seconds: float) -> Callable[..., Awaitable[Any]]:
    # The library's own limit begins when a request is sent. One with a body waits before that for
    # leave to send it (100 Continue), without any limit.
    async def limited(*args: Any, **kwargs: Any) -> Any:
        body = kwargs.get("Body", b"")
        size = len(body) if hasattr(body, "__len__") else 0
        async with asyncio.timeout(max(CONNECT_SECONDS, seconds) + size / BYTES_PER_SECOND):
            return await call(*args, **kwargs)

    return limited
