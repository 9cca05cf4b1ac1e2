"""The date that chat templates see: transformers gives them ``strftime_now``, which reads a clock.

A prompt that changes overnight changes answers, and misses what is stored. transformers hands
templates plain data only, no function of ours, so the clock that it reads is the one to stop.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, tzinfo
from typing import Any

from transformers.utils import chat_template_utils


@contextmanager
def clock_at(today: date) -> Iterator[None]:
    """Let it be midnight of ``today`` for the templates rendered meanwhile."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.combine(today, time(), tz)

    module: Any = chat_template_utils
    running = module.datetime
    module.datetime = Stopped
    try:
        yield
    finally:
        module.datetime = running
