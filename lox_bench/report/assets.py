"""What a page carries within itself: our templates, and DataTables out of the itables package.

Scripts and data are gzipped and in base64, unpacked by the browser: a page stays small, and no
text in them can end the element that holds it.
"""

import gzip
import hashlib
import json
from base64 import b64encode
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lox_bench.errors import DataError
from lox_bench.report.costs import duration

_SCRIPTS = ("unpack", "theme", "filters", "leaderboard", "explorer", "address", "compare", "page")
_BUNDLE = ("html/dt_bundle.js", "html/dt_bundle.css")


@cache
def templates() -> Environment:
    """Jinja2 over ``templates/``: everything is escaped, an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader("lox_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    environment.filters["json"] = _json
    return environment


def our_script() -> str:
    """Our JavaScript, one module."""
    return "\n".join(_ours(f"{name}.js") for name in _SCRIPTS)


def reload_script(seconds: float) -> str:
    """What loads a page of a run in the making again every so often, until told to pause."""
    return _ours("watch.js").replace("EVERY_MS", str(round(1000 * seconds)))


def our_style() -> str:
    """Our style sheet."""
    return _ours("page.css")


def datatables() -> tuple[str, str]:
    """Script (an ES module) and style sheet of DataTables, MIT, as the itables package ships them.

    Raises:
        DataError: the installed itables does not carry them where 2.9 does.
    """
    spec = find_spec("itables")  # found, not imported: importing it would load pandas
    root = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    try:
        script, style = ((root / name).read_text(encoding="utf-8") for name in _BUNDLE)
    except OSError as error:
        raise DataError(
            f"the table library is not where it should be ({error.filename}); "
            "pip install 'itables>=2.9,<3'"
        ) from error
    return script, style


def pack(text: str) -> str:
    """Gzip and base64; equal texts give equal results."""
    return b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def script_hash(script: str) -> str:
    """The source expression that lets a content security policy run this inline script only."""
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _json(value: Any) -> str:
    """For people to read; the template escapes it like any text."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _ours(name: str) -> str:
    file = resources.files("lox_bench.report") / "templates" / name
    return file.read_text(encoding="utf-8")
