"""What is pinned fits what is asked for, and may be used beside Apache-2.0."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.documented import ROOT

import lox_bench

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = {
    canonicalize_name(name): Version(version)
    for name, version in (
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    )
}
FREE = {"torch"}  # each machine has a build of its own
# phrases of licences that let a program of another licence depend on the package
PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public|HPND|Unlicense|Zlib|CC0",
    re.IGNORECASE,
)
# imported by what we import, not shipped by us: the LGPL allows that
OTHERS = {"chardet": "LGPL: comes with lm-eval's table writer"}


def asked_for(extra: str = "") -> Iterator[Requirement]:
    """Everything that an install with an extra asks for itself, extras of ours followed."""
    held = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, held):
        if requirement.name == PROJECT["name"]:
            for inner in requirement.extras:
                yield from asked_for(inner)
        else:
            yield requirement


def test_what_is_pinned_fits_what_is_asked_for() -> None:
    """If not: make lock."""
    asked = [one for one in (*asked_for(), *asked_for("dev")) if one.name not in FREE]
    missing = [str(one) for one in asked if canonicalize_name(one.name) not in PINNED]
    assert missing == []
    unfit = [str(one) for one in asked if PINNED[canonicalize_name(one.name)] not in one.specifier]
    assert unfit == []
    assert not FREE & set(PINNED)


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
def test_every_pin_is_for_every_python_we_support(python: str) -> None:
    unfit = []
    for name in PINNED:
        try:
            wanted = metadata.metadata(name).get("Requires-Python", "")
        except metadata.PackageNotFoundError:
            continue  # pinned and not installed here
        if python not in SpecifierSet(wanted):
            unfit.append(f"{name}: {wanted}")
    assert unfit == []


def licence(name: str) -> str:
    held = metadata.metadata(name)
    classifiers = [item for item in held.get_all("Classifier", []) if item.startswith("License ::")]
    said = [held.get("License-Expression", ""), *classifiers, held.get("License", "")[:60]]
    return "; ".join(filter(None, said))


@pytest.mark.parametrize("name", sorted({*PINNED, *FREE}))
def test_its_licence_goes_with_ours(name: str) -> None:
    try:
        said = licence(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is pinned and not installed here")
    if name in OTHERS:
        assert "GPL" in said
    else:
        assert PERMISSIVE.search(said), said
        assert not re.search(r"\bA?GPL", said.replace("LGPL", "")), said


def test_the_version_is_one() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert PROJECT["version"] == lox_bench.__version__ == citation["version"]
    assert f"\n## {PROJECT['version']} " in changelog
    assert citation["license"] == PROJECT["license"]
