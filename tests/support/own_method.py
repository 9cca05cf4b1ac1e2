"""A method in a file of the user's."""

MINE = """
from dataclasses import dataclass
from typing import ClassVar
from lox_bench.methods.method import Place

@dataclass(frozen=True)
class Mine:
    '''Keep everything.'''
    place: ClassVar[Place] = Place.AFTER
    alpha: float = 1.0
    def tensor(self, name, w):
        return w.tuned
"""
