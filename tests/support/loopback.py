"""A scripted chat-completions server on loopback: real HTTP, every fault on demand, all counted.

Grades are a function of the prompt, so that two runs can be compared verdict by verdict. Run as a
program it serves until it is killed and answers GET /stats; ``served()`` runs it in a thread.
"""

import argparse
import asyncio
import hashlib
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

FAULTS = ("429", "500", "503", "hang", "cut", "half", "malformed", "no-choices", "text")
BROKEN = {
    "malformed": ("application/json", '{"id": "chat-1", "choices": ['),
    "no-choices": ("application/json", '{"id": "chat-1", "choices": []}'),
    "text": ("text/html", "<html>hello</html>"),
}
HANG_S = 30.0


def grade(text: str) -> str:
    """A rubric's reply: a score from 1 to 5 that depends on the prompt alone."""
    score = hashlib.sha256(text.encode()).digest()[0] % 5 + 1
    return f"The reply does some of what was asked.\nScore: {score}"


@dataclass
class Loopback:
    """What the server does: ``fault(n, text)`` names a fault for the n-th request, or ``""``."""

    answer: Callable[[str], str] = grade
    fault: Callable[[int, str], str] = lambda _n, _text: ""
    latency_s: float = 0.0
    retry_after: str = "0"
    finish: str = "stop"
    echo_key: bool = False
    raw: str = ""  # sent in place of a completion
    reply: Callable[[dict[str, object]], "tuple[int, dict[str, str], bytes] | None"] = (
        lambda _body: None
    )  # status, headers and body for a request, in place of all else
    drip_s: float = 0.0  # between the bytes of an answer
    requests: int = 0
    port: int = 0
    busy: int = 0
    most_busy: int = 0
    bodies: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)  # by idempotency key, as they arrive
    paid: Counter[str] = field(default_factory=Counter)  # answered in full
    times: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if head[0].startswith("GET"):
            stats = {"requests": self.requests, "sent": self.sent, "paid": self.paid}
            return await self._send(writer, 200, json.dumps(stats))
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            return await self._chat(writer, headers, json.loads(body))
        finally:
            self.busy -= 1

    async def _chat(
        self, writer: asyncio.StreamWriter, headers: dict[str, str], body: dict[str, object]
    ) -> bool:
        number, self.requests = self.requests, self.requests + 1
        key = headers.get("idempotency-key", "")
        self.sent[key] += 1
        self.bodies.append(body)
        self.headers.append(headers)
        self.times.append(asyncio.get_running_loop().time())
        text = "\n".join(turn["content"] for turn in body["messages"])  # type: ignore[union-attr,index]
        scripted = self.reply(body)
        if scripted is not None:
            return await self._send_raw(writer, *scripted)
        fault = self.fault(number, text)
        if fault:
            return await self._fail(writer, fault, headers)
        await asyncio.sleep(self.latency_s)
        said = self.raw or json.dumps(self._completion(text, body))
        alive = await self._send(writer, 200, said)
        self.paid[key] += 1
        return alive

    def _completion(self, text: str, body: dict[str, object]) -> dict[str, object]:
        words = self.answer(text)
        message = {"role": "assistant", "content": words}
        return {
            "id": "chat-1",
            "object": "chat.completion",
            "created": 1,
            "model": f"{body['model']}-loopback",
            "choices": [{"index": 0, "finish_reason": self.finish, "message": message}],
            "usage": {
                "prompt_tokens": len(text) // 4,
                "completion_tokens": len(words) // 4,
                "total_tokens": (len(text) + len(words)) // 4,
            },
        }

    async def _fail(
        self, writer: asyncio.StreamWriter, fault: str, headers: dict[str, str]
    ) -> bool:
        if fault == "hang":
            await asyncio.sleep(HANG_S)
        if fault == "half":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{")
        if fault in {"hang", "cut", "half"}:
            return False
        if fault in BROKEN:
            kind, text = BROKEN[fault]
            return await self._send(writer, 200, text, kind=kind)
        said = f"failed on purpose ({headers.get('authorization', '')})" if self.echo_key else "no"
        error = {"error": {"message": said, "code": "fault"}}
        return await self._send(writer, int(fault), json.dumps(error))

    async def _send_raw(
        self, writer: asyncio.StreamWriter, status: int, headers: dict[str, str], data: bytes
    ) -> bool:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        step = 1 if self.drip_s else len(data) or 1
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if self.drip_s:
                await asyncio.sleep(self.drip_s)
        return True

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, text: str, kind: str = "application/json"
    ) -> bool:
        extra = f"retry-after: {self.retry_after}\r\n" if status == 429 else ""
        data = text.encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n"
        writer.write(f"{head}{extra}\r\n".encode() + data)
        await writer.drain()
        return True


def faults_on(share: float, seed: int, kinds: tuple[str, ...]) -> Callable[[int, str], str]:
    """Faults on a share of the requests, drawn by their order of arrival."""
    draw = random.Random(seed)
    return lambda _number, _text: draw.choice(kinds) if draw.random() < share else ""


@contextmanager
def served(loopback: Loopback) -> Iterator[Loopback]:
    """Serve in a thread of this process."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loopback.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        loop.call_soon_threadsafe(lambda: loop.call_later(0.05, loop.stop))
        thread.join()
        loop.close()


async def _forever(loopback: Loopback) -> None:
    server = await loopback.start()
    sys.stdout.write(f"{loopback.port}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve in a process of its own; the port is the first line of the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--fault-share", type=float, default=0.0)
    options = parser.parse_args()
    fault = faults_on(options.fault_share, 0, tuple(f for f in FAULTS if f != "hang"))
    asyncio.run(_forever(Loopback(latency_s=options.latency, fault=fault)))


if __name__ == "__main__":
    main()
