"""What a failed request means: try again, and when; give it up; or give the endpoint up."""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass

import openai

_TOO_MANY, _SERVER_ERROR = 429, 500
_RETRIED = {408, 409, 425, _TOO_MANY}
_FATAL = {401, 402, 403, 404, 405}  # the next request cannot fare better
_MOST = 160  # characters of a server's own message


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failed request; ``wait_s`` is what the server asks for, if it does."""

    reason: str
    retry: bool
    heard: bool = True  # the endpoint answered at all
    fatal: bool = False
    wait_s: float | None = None


class MalformedReplyError(Exception):
    """The server answered 200 with something that is no chat completion."""


def diagnose(error: Exception, secret: str) -> Trouble:
    """Judge a failure of one request; ``secret`` never shows in the reason.

    Raises:
        Exception: ``error`` itself, when it is none of the network's or the server's.
    """
    if isinstance(error, openai.APITimeoutError):
        return Trouble("timed out", retry=True, heard=False)
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, secret)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        return Trouble(f"no connection ({_short(str(cause), secret)})", retry=True, heard=False)
    if isinstance(error, openai.APIError | MalformedReplyError | ValueError):
        return Trouble(f"malformed reply ({type(error).__name__})", retry=True)
    raise error


def _by_status(error: openai.APIStatusError, secret: str) -> Trouble:
    status, headers = error.status_code, error.response.headers
    if status in {401, 403}:  # servers like to repeat parts of the key here
        return Trouble(f"HTTP {status}: the API key was refused", retry=False, fatal=True)
    reason = f"HTTP {status}: {_short(_message(error), secret)}"
    if status == _TOO_MANY and error.code == "insufficient_quota":
        return Trouble(reason, retry=False, fatal=True)
    if status in _RETRIED or status >= _SERVER_ERROR:
        return Trouble(reason, retry=True, wait_s=retry_after(headers))
    return Trouble(reason, retry=False, fatal=status in _FATAL)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait: ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        moment = email.utils.parsedate_tz(text)
        return None if moment is None else max(0.0, email.utils.mktime_tz(moment) - time.time())


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        return str(inner.get("message", inner) if isinstance(inner, Mapping) else inner)
    return str(body or error.response.reason_phrase)


def _short(text: str, secret: str) -> str:
    line = " ".join(text.split())
    if secret:
        line = line.replace(secret, "***")
    return line if len(line) <= _MOST else line[: _MOST - 3] + "..."
