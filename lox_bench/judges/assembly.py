"""Put a request and an answer before a judge so that neither can speak for anyone else.

Both are text under attack: an answer may close its delimiter, forge a turn, or end the prompt. So
the delimiters carry a hash of the very text they enclose (deterministic, and not to be foreseen by
that text), and whatever could be a tag or a chat template's special token is broken up.
"""

import hashlib
import re

from lox_bench.judges.kinds import PromptedSpec
from lox_bench.serving.endpoint import Chat, Turn
from lox_bench.types import Completion

_TAG_DIGITS = 16  # 64 bits: no text can be made to contain its own hash
_OPENING = re.compile(r"<(?=[|\uff5c/!?A-Za-z<])")
_BRACKET = re.compile(r"\[(?=/?(?:[A-Z][A-Z_]+|gMASK|sMASK|sop|eop|control_\d+)\])")
_KEPT = "\n\t\u00a0"
_BLANK = str.maketrans(dict.fromkeys(_KEPT, " "))
_FIELD = re.compile(r"\{(request|response)\}")


def assemble(spec: PromptedSpec, completion: Completion, *, attempt: int = 0) -> Chat:
    """The chat that asks ``spec``'s model about one answer.

    Args:
        spec: the judge; without a prompt of its own the model gets the dialogue itself.
        completion: the request and the answer to be judged.
        attempt: 0 at first; 1 after a reply that could not be read (another seed, a reminder).
    """
    request, answer = neutralise(completion.prompt), neutralise(completion.text)
    seed = spec.seed + attempt
    if not spec.prompt:
        turns: tuple[Turn, ...] = (("user", request), ("assistant", answer))
        return Chat(turns, seed, spec.max_tokens)
    blocks = {
        "request": enclose("request", request, completion),
        "response": enclose("response", answer, completion),
    }
    text = _FIELD.sub(lambda match: blocks[match[1]], spec.prompt)  # one pass: no field in a field
    if attempt and spec.reminder:
        text = f"{text.rstrip()}\n\n{spec.reminder}"
    return Chat((("user", text),), seed, spec.max_tokens)


def enclose(name: str, text: str, completion: Completion) -> str:
    """``text`` between tags that carry the hash of the whole exchange."""
    seen = f"{len(completion.prompt)}:{completion.prompt}{completion.text}"
    digest = hashlib.sha256(seen.encode("utf-8", "replace")).hexdigest()[:_TAG_DIGITS]
    return f"<{name}-{digest}>\n{text}\n</{name}-{digest}>"


def neutralise(text: str) -> str:
    """``text`` with every tag and special token broken by a space, control characters dropped.

    Covers ``<|im_end|>``, ``<s>``, ``</s>``, ``<start_of_turn>``, ``<<SYS>>``, ``[INST]``,
    ``[gMASK]`` and their like; what is broken stays legible to the judge.
    """
    clean = text.encode("utf-8", "replace").decode()
    if not clean.translate(_BLANK).isprintable():
        clean = "".join(char for char in clean if char.isprintable() or char in _KEPT)
    return _BRACKET.sub("[ ", _OPENING.sub("< ", clean))
