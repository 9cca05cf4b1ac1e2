"""The text that a model was trained to judge, word for word, with request and answer put in.

Nothing is wrapped or broken up, as it is for judges that are merely asked: such a model knows its
own form only. What alone is broken up are the tokenizer's special tokens inside request and answer,
which would be read as the form's own. That an answer forges the form's plain words is not prevented
here, nor where these models come from.
"""

import re
from typing import Any, Final

from lox_bench.types import Completion

_FIELD: Final = re.compile(r"\{(request|response)\}")


def filled(prompt: str, completion: Completion, tokenizer: Any, clip: int = 0) -> str:
    """The text; the answer is cut after ``clip`` of the tokenizer's tokens (0: it is not).

    One pass: a field's name inside a request or answer is text.
    """
    answer = _clipped(completion.text, tokenizer, clip) if clip else completion.text
    held = {"request": completion.prompt, "response": answer}
    held = {name: without_special(text, tokenizer) for name, text in held.items()}
    return _FIELD.sub(lambda match: held[match[1]], prompt)


def without_special(text: str, tokenizer: Any) -> str:
    """``text`` with the tokenizer's special tokens broken by a space."""
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def _clipped(text: str, tokenizer: Any, most: int) -> str:
    ids = tokenizer.encode(text, add_special_tokens=False)
    return text if len(ids) <= most else str(tokenizer.decode(ids[:most]))
