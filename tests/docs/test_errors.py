"""docs/errors.md shows messages as they are: each is asked for from an empty folder, offline."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from support.command import lox_bench_here
from support.documented import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```text\n\$ lox-bench (.+)\n(.+)\n```", PAGE, re.MULTILINE)


def test_all_blocks_are_tried() -> None:
    assert len(SHOWN) == PAGE.count("```text")
    assert len(SHOWN) > 15


def tried(asked: str, said: str) -> Any:
    """Slow where lm-eval is imported to answer."""
    marks = [pytest.mark.slow] if "--utility" in asked else []
    return pytest.param(asked, said, marks=marks, id=asked)


@pytest.mark.parametrize(("asked", "said"), [tried(*pair) for pair in SHOWN])
def test_the_message_is_the_one_shown(
    asked: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in (("LOX_BENCH_CACHE", "cache"), ("HF_HOME", "hf"), ("HF_HUB_OFFLINE", "1")):
        monkeypatch.setenv(name, value)
    ended = lox_bench_here(shlex.split(asked), monkeypatch, capsys)
    pattern = ".+".join(map(re.escape, said.split("…")))
    assert ended.returncode == 2
    assert re.fullmatch(f"lox-bench: {pattern}\n", ended.stderr)
