"""What tests of back ends share."""

from typing import Any

import pytest
from support.display import Display


@pytest.fixture
def display(silent: Any) -> Display:
    return Display(silent)
