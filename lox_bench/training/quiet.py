"""To look at a model in the middle of its training without leaving a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def quietly(model: Any) -> Iterator[None]:
    """Within, the model does not drop out; after, it and the random state are as they were."""
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        model.train(training)
