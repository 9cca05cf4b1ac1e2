"""A publication as studies: its tables as parts, each in full and on the default family."""

from dataclasses import dataclass, field

from lox_bench.errors import UsageError
from lox_bench.names import Name
from lox_bench.registry import Kind, load_spec
from lox_bench.study.file import StudyFile, load_study


@dataclass(frozen=True, slots=True)
class Part:
    """A table or figure of a publication: ``study`` as published, ``quick`` on a small family."""

    name: Name
    title: str
    study: str
    quick: str

    def asked(self, *, quick: bool) -> StudyFile:
        """The study to run.

        Raises:
            UnknownNameError, SpecError: there is no such study, or its file is broken.
        """
        return load_study(self.quick if quick else self.study)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A publication. ``published`` is the family whose published numbers stand beside ours."""

    name: Name
    description: str
    source: str
    published: str
    parts: tuple[Part, ...] = field(default_factory=tuple)

    def chosen(self, names: tuple[str, ...]) -> tuple[Part, ...]:
        """The parts of these names, in the publication's order; all where none is named.

        Raises:
            UsageError: a part does not exist.
        """
        known = [part.name for part in self.parts]
        for name in names:
            if name not in known:
                raise UsageError(f"{self.name} has no part {name!r}; it has {', '.join(known)}")
        return tuple(part for part in self.parts if part.name in (names or known))


def load_reproduction(name: str) -> Reproduction:
    """Read a reproduction by name, or from a TOML file; see ``registry.load_spec``."""
    return load_spec(Reproduction, Kind.REPRODUCTIONS, name)
