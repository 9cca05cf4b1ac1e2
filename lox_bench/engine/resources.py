"""What building a stage takes: threads, a GPU, memory, the network, or the user's own process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_GIB: Final = 1 << 30
_BESIDE: Final = 2 * _GIB  # interpreter, libraries, activations of small models
_TRAINING: Final = 8  # float32 weights, gradients and two moments: 16 bytes where the file has 2
_ANSWERING: Final = 2  # weights, and as much again for keys, values and activations


@dataclass(frozen=True, slots=True)
class Resources:
    """What a worker must have.

    ``threads``: the stage computes, with all the threads of its worker (else one is enough).
    ``gpu``: on a GPU, where there is one. ``memory`` in bytes, an upper estimate. ``network``: it
    reaches beyond the cluster. ``home``: it needs what only the user's own process has, such as
    API keys or the count of what was paid. ``paths``: what its artifact refers to outside of the
    store.
    """

    threads: bool = False
    gpu: bool = False
    memory: int = 0
    network: bool = False
    home: bool = False
    paths: tuple[Path, ...] = ()


def training(size: int) -> Resources:
    """A full fine-tuning of a model of ``size`` bytes on the disk."""
    return Resources(threads=True, gpu=True, memory=_TRAINING * size + _BESIDE)


def answering(size: int) -> Resources:
    """A model of ``size`` bytes on the disk, loaded to answer."""
    return Resources(threads=True, gpu=True, memory=_ANSWERING * size + _BESIDE)


def streaming(size: int) -> Resources:
    """Weights read and written tensor by tensor, whatever their ``size``."""
    return Resources(threads=True, gpu=True, memory=min(size, _GIB) + _BESIDE)
