"""A stranger's chat template is run once where it can do no harm, before it is run here.

The probe is a process of its own with little memory and little time, which imports Jinja and
nothing else. What passes there still runs only in transformers' sandbox.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from lox_bench.errors import DataError

MEMORY_BYTES: Final = 1 << 29
SECONDS: Final = 5
LONGEST: Final = 1_000_000  # characters of a rendered prompt of two short turns
_TRACKED: Final = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")  # marks of TRL's loss masks
_SHOWN: Final = 200
_OWN: Final = "the model's own chat template"


def probe(text: str, special: Mapping[str, str]) -> None:
    """Render two short dialogues in a bounded process.

    Args:
        text: the Jinja template.
        special: special tokens by name, as a tokenizer hands them over.

    Raises:
        DataError: it fails on both, does not end in ``SECONDS``, or wants too much memory.
    """
    _probe(text, tuple(sorted(special.items())))


def unrenderable(what: str, reason: str) -> DataError:
    """The one line on a template that cannot render."""
    words = " ".join(reason.split())
    shown = words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."
    return DataError(
        f"{what} cannot render a request ({shown}); name another in the family (template = "
        "'chatml')"
    )


@lru_cache
def _probe(text: str, special: tuple[tuple[str, str], ...]) -> None:
    job = json.dumps({"text": _TRACKED.sub("", text), "special": dict(special)})
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _PROGRAM],
            input=job,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise unrenderable(_OWN, f"it does not end within {SECONDS} s") from error
    if done.returncode != 0:
        raise unrenderable(_OWN, f"it wants more than {MEMORY_BYTES >> 20} MiB, or crashes")
    said: dict[str, Any] = json.loads(done.stdout)
    if said["error"]:
        raise unrenderable(_OWN, said["error"])
    if said["length"] > LONGEST:
        raise unrenderable(_OWN, f"it makes {said['length']} characters of two short turns")


_PROGRAM: Final = f"""
import json, resource, sys
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

def limit(what, value):
    try:
        resource.setrlimit(what, (value, value))
    except (OSError, ValueError):
        pass  # macOS knows no limit of addresses

def refuse(message):
    raise jinja2.TemplateError(message)

def rendered(template, content, special):
    turns = [{{"role": "user", "content": content}}]
    return template.render(messages=turns, add_generation_prompt=True, **special)

job = json.load(sys.stdin)
limit(resource.RLIMIT_AS, {MEMORY_BYTES})
limit(resource.RLIMIT_CPU, {SECONDS})
environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
)
environment.filters["tojson"] = lambda value, **_: json.dumps(value)
environment.globals.update(raise_exception=refuse, strftime_now=lambda form: "2025")
length, error = 0, ""
for content in ("Hello", [{{"type": "text", "text": "Hello"}}]):
    try:
        template = environment.from_string(job["text"])
        length = max(length, len(rendered(template, content, job["special"])))
        error = ""
        break
    except MemoryError:
        sys.exit(1)
    except Exception as failure:
        error = error or f"{{type(failure).__name__}}: {{failure}}"
print(json.dumps({{"length": length, "error": error}}))
"""
