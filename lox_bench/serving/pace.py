"""How fast an endpoint may be asked, and when to stop asking it."""

import asyncio

_GIVE_UP = 3  # requests in a row that failed with all their retries


class Pace:
    """Requests ``60 / per_minute`` seconds apart or more, all held back when the server says so."""

    def __init__(self, per_minute: int) -> None:
        """Allow ``per_minute`` requests; 0 sets no limit."""
        self._interval = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._held_until = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        loop = asyncio.get_running_loop()
        start = max(loop.time(), self._next)
        self._next = start + self._interval
        while (wait := max(start, self._held_until) - loop.time()) > 0:
            await asyncio.sleep(wait)

    def hold(self, seconds: float) -> None:
        """Nobody asks for so long (a rate limit is everybody's)."""
        until = asyncio.get_running_loop().time() + seconds
        self._held_until = max(self._held_until, until)


class Breaker:
    """Remembers why an endpoint was given up: 2,000 requests need not find out one by one."""

    def __init__(self) -> None:
        """Start closed."""
        self.reason = ""
        self._in_a_row = 0

    def success(self) -> None:
        """The endpoint works."""
        self._in_a_row = 0

    def failure(self, reason: str, *, fatal: bool) -> None:
        """A request failed for good; ``fatal`` if every other would."""
        self._in_a_row += 1
        if fatal or self._in_a_row >= _GIVE_UP:
            self.reason = self.reason or reason
