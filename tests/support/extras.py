"""Which optional packages are here, asked without importing them."""

from importlib.util import find_spec


def importable(*names: str) -> set[str]:
    """Those of them that could be imported."""
    return {name for name in names if find_spec(name) is not None}
