"""What a failed request means: try again, and when; give it up; or give the endpoint up."""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import openai

from lox_bench.serving.transport import OversizedReplyError

_UNAUTHORIZED, _TOO_MANY, _SERVER_ERROR = 401, 429, 500
_RETRIED = {408, 409, 425, _TOO_MANY}
_FORBIDDEN, _UNFIT = 403, {400, 422}
_REDIRECTS = {301, 302, 303, 307, 308}
_FATAL = {401, 402, 404, 405, *_REDIRECTS}  # the next request cannot fare better
_KEY_CODES = {"invalid_api_key", "invalid_authentication", "permission_denied", "unauthorized"}
_KEYLIKE = re.compile(r"\b(?:sk|pk|hf|key|token|Bearer)[-_ ][\w*.-]{4,}", re.IGNORECASE)
_LEAST = 6  # characters of a key that give it away
_MOST = 160  # characters of a server's own message


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failed request; ``wait_s`` is what the server asks for, if it does.

    ``forbidden``: refused as such, which may be the request's fault (a content filter) or the
    key's. ``unfit``: its parameters were refused.
    """

    reason: str
    retry: bool
    heard: bool = True  # the endpoint answered at all
    fatal: bool = False
    wait_s: float | None = None
    forbidden: bool = False
    unfit: bool = False


class MalformedReplyError(Exception):
    """The server answered 200 with something that is no chat completion."""


def diagnose(error: Exception, secret: str) -> Trouble:
    """Judge a failure of one request; ``secret`` never shows in the reason.

    Raises:
        Exception: ``error`` itself, when it is none of the network's or the server's.
    """
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return Trouble("timed out", retry=True, heard=False)
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, secret)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        if isinstance(cause, OversizedReplyError):
            return Trouble(_short(str(cause), secret), retry=False)
        return Trouble(f"no connection ({_short(str(cause), secret)})", retry=True, heard=False)
    if isinstance(error, OversizedReplyError):
        return Trouble(_short(str(error), secret), retry=False)
    if isinstance(error, openai.APIError | MalformedReplyError | ValueError | RecursionError):
        said = str(error) if isinstance(error, MalformedReplyError) else ""
        return Trouble(
            f"malformed reply ({_short(said, secret) or type(error).__name__})", retry=True
        )
    raise error


def _by_status(error: openai.APIStatusError, secret: str) -> Trouble:
    status, headers = error.status_code, error.response.headers
    if status == _UNAUTHORIZED or (status == _FORBIDDEN and error.code in _KEY_CODES):
        # servers like to repeat parts of the key here
        return Trouble(f"HTTP {status}: the API key was refused", retry=False, fatal=True)
    if status in _REDIRECTS:
        return Trouble(
            f"HTTP {status}: the endpoint redirects elsewhere, where no key is sent; name the "
            "address it has now",
            retry=False,
            fatal=True,
        )
    reason = f"HTTP {status}: {_short(_message(error), secret)}"
    if status == _TOO_MANY and error.code == "insufficient_quota":
        return Trouble(reason, retry=False, fatal=True)
    if status in _RETRIED or status >= _SERVER_ERROR:
        return Trouble(reason, retry=True, wait_s=retry_after(headers))
    return Trouble(
        reason,
        retry=False,
        fatal=status in _FATAL,
        forbidden=status == _FORBIDDEN,
        unfit=status in _UNFIT,
    )


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
    line = _KEYLIKE.sub("***", line)
    for start in range(len(secret) - _LEAST + 1):  # a part of it gives it away as well
        line = line.replace(secret[start : start + _LEAST], "***")
    return line if len(line) <= _MOST else line[: _MOST - 3] + "..."
