"""``lox-bench init``: the files that a method of one's own begins with."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from lox_bench.errors import StoreError, UsageError
from lox_bench.registry import packaged_file

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made if need be.")]
MethodName = Annotated[
    str, typer.Option("--name", help="Name of the method: small letters, digits and hyphens.")
]
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST: Final = 40
_STARTER: Final = "starter"


def init(folder: Folder = Path(), name: MethodName = "mine") -> None:
    """Write a method, its test, a study of it and a CI workflow: a beginning that runs.

    Nothing is overwritten: if one of the files is there, none is written.

    Examples:
      lox-bench init

      lox-bench init my-method --name my-method

    Exit codes: 0 written, 2 a file is in the way, or the name is none.
    """
    files = starter(name)
    for file in files:
        if (folder / file).exists() or (folder / file).is_symlink():
            raise UsageError(f"{folder / file} is there already; nothing was written")
    try:
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            with (folder / file).open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise StoreError(f"{error.filename} cannot be written ({error.strerror})") from error
    for file in files:
        typer.echo(f"wrote  {folder / file}")
    there = "" if folder == Path() else f"cd {folder} && "
    module = next(iter(files)).removesuffix(".py")
    typer.echo("next")
    typer.echo(f"  {there}python -m pytest test_{module}.py")
    typer.echo(f"  {there}lox-bench run study.toml --limit 8 --max-steps 3   (does it run?)")
    typer.echo(f"  {there}lox-bench run study.toml")


def starter(name: str) -> dict[str, str]:
    """The texts by the paths they go to, the method's first.

    Raises:
        UsageError: the name is no method's.
    """
    if len(name) > _LONGEST or _NAME.fullmatch(name) is None:
        raise UsageError(
            f"--name {name[:_LONGEST]}: small letters, digits and single hyphens were wanted, "
            f"{_LONGEST} at most, such as my-method"
        )
    module = name.replace("-", "_")
    words = {
        "@name@": name,
        "@module@": module,
        "@file@": f"{module}.py",
        "@Class@": "".join(word.capitalize() for word in name.split("-")),
    }
    words["@label@"] = f"{words['@Class@']}(strength=0.5)"
    places = {
        f"{module}.py": "method.py.txt",
        f"test_{module}.py": "test_method.py.txt",
        "study.toml": "study.toml.txt",
        ".github/workflows/lox-bench.yml": "workflow.yml.txt",
    }
    return {place: _filled(file, words) for place, file in places.items()}


def _filled(file: str, words: dict[str, str]) -> str:
    text = packaged_file(f"{_STARTER}/{file}").read_text(encoding="utf-8")
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text
