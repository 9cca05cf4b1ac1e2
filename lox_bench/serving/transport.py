"""The connection to a model's server, which is trusted with no more than a reply's worth.

Replies are capped in size and come unpacked (a compressed one may unpack to anything); nobody is
sent elsewhere with our key in hand, so redirects are not followed.
"""

from collections.abc import AsyncIterator
from typing import Final

import httpx2
import openai

MOST_BYTES: Final = 4 << 20  # a verdict with long reasoning takes a hundredth of it


class OversizedReplyError(Exception):
    """A reply of more than ``MOST_BYTES``, or one that is compressed though it was not to be."""


class CappedTransport(httpx2.AsyncHTTPTransport):
    """Counts the bytes of every reply while they come."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send; the reply's body is read through the counter."""
        request.headers["accept-encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise OversizedReplyError("the reply is compressed, which was not asked for")
        response.stream = _Capped(response.stream)
        return response


class _Capped(httpx2.AsyncByteStream):
    def __init__(self, stream: object) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        got = 0
        async for chunk in self._stream:  # type: ignore[attr-defined]
            got += len(chunk)
            if got > MOST_BYTES:
                raise OversizedReplyError(f"the reply is longer than {MOST_BYTES >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]


def http_client() -> httpx2.AsyncClient:
    """A client for one endpoint; deadlines are the caller's, for the whole reply."""
    return openai.DefaultAsyncHttpxClient(transport=CappedTransport(), follow_redirects=False)
