"""The ceiling: an ASGI application that reads the body and answers a fixed one of N bytes.

    python bare.py PORT PROCESSES BYTES

uvicorn with uvloop and httptools, as its own documentation starts it, without an access log.
"""

import os
import sys
from typing import Any

import uvicorn

ANSWER = b"x" * int(os.environ.get("BARE_BYTES", "0"))
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(ANSWER)).encode()),
]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer whatever is asked."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    port, processes, size = map(int, sys.argv[1:4])
    os.environ["BARE_BYTES"] = str(size)
    uvicorn.run(
        "bare:app",
        port=port,
        workers=processes,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
