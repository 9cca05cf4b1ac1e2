"""``lox-bench cache``: what lies in the cache, whether it is sound, and how to make room."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lox_bench.cli.jsonout import print_json
from lox_bench.cli.progress import choose_display
from lox_bench.cli.tables import of_cache
from lox_bench.engine import housekeeping
from lox_bench.engine.housekeeping import Choice, Held
from lox_bench.engine.store import REQUESTS, Store, default_root
from lox_bench.errors import UsageError, did_you_mean
