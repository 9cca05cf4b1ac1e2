"""What tests of weights share."""

from pathlib import Path
from typing import Any

import pytest
from support.pico import save_pico


@pytest.fixture(scope="session")
def untied(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    return save_pico(tmp_path_factory.mktemp("untied"), tokenizer, seed=0, tied=False)
