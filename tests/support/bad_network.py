"""A proxy before an HTTP server that breaks some of its answers, and counts which."""

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("500", "503", "slow", "cut", "lost")
SLOW_S = 0.5
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Proxy(ThreadingHTTPServer):
    """``fault(n)`` names what is wrong with the n-th request, or ``""``; ``tried`` counts."""

    daemon_threads = True

    def __init__(self, behind: tuple[str, int], fault: Callable[[int], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.fault = behind, fault
        self.tried: Counter[str] = Counter()
        self.numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _any(self) -> None:
        fault = self.server.fault(next(self.server.numbers))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault:
            self.server.tried[fault] += 1
        if fault == "slow":
            time.sleep(SLOW_S)
        if fault in {"500", "503"}:
            self._answer(int(fault), [], b"<Error><Code>InternalError</Code></Error>")
            return
        if fault == "lost":  # the server never hears of it
            self.close_connection = True
            return
        upstream = http.client.HTTPConnection(*self.server.behind, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        reply = upstream.getresponse()
        content = reply.read()
        self._answer(reply.status, reply.getheaders(), content, cut=fault == "cut")
        upstream.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool = False
    ) -> None:
        """``cut``: half of what is announced, then nothing."""
        self.send_response(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = lengths[0] if self.command == "HEAD" and lengths else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.wfile.flush()
        if cut:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def proxied(behind: tuple[str, int], fault: Callable[[int], str]) -> Iterator[Proxy]:
    """A running proxy."""
    proxy = Proxy(behind, fault)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
