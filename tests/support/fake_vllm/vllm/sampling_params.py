"""What the worker imports from here."""

from enum import Enum


class RequestOutputKind(Enum):
    FINAL_ONLY = 2
