"""Published weights as a stage: fetched into the store, or linked to where they lie."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lox_bench.engine.context import Context, Inputs
from lox_bench.engine.resources import Resources
from lox_bench.engine.stage import Facts, Keep, Stage
from lox_bench.errors import SourceError
from lox_bench.sources.identity import content_files, identify
from lox_bench.sources.uri import PathSource, parse_source


@dataclass(frozen=True, eq=False)
class Source(Stage):
    """Weights as published: ``identity`` pins their content (hash or commit), not their place."""

    kind: ClassVar[str] = "source"
    keep: ClassVar[Keep] = Keep.DEAR

    identity: str
    dtype: str
    uri: str = field(compare=False)

    @classmethod
    def of(cls, uri: str, dtype: str) -> "Source":
        """The source at ``uri``, pinned as it is now.

        Raises:
            SourceError: it holds no model, or cannot be asked.
        """
        return cls(identity=identify(uri), dtype=dtype, uri=uri)

    @property
    def title(self) -> str:
        """Says what is fetched."""
        return f"fetch {self.uri.split('#')[0]}"

    def resources(self, size: int) -> Resources:
        """A folder is linked where the user is; a hub or an index is asked from anywhere."""
        del size
        source = parse_source(self.uri)
        if isinstance(source, PathSource):
            return Resources(home=True, paths=(source.path,))
        return Resources(network=True)

    def build(self, inputs: Inputs, out: Path, context: Context) -> Facts:
        """Fetch the weights; a local folder's files are linked, not copied.

        Raises:
            SourceError: they cannot be had, or are no longer what was asked for.
        """
        del inputs, context
        source = parse_source(self.uri)
        if isinstance(source, PathSource):
            if identify(self.uri) != self.identity:
                raise SourceError(f"{self.uri} changed while it was in use; run the command again")
            for file in content_files(source.path):
                link = out / file.relative_to(source.path)
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(file.resolve())
        else:
            from lox_bench.sources.fetch import fetch

            fetch(source, out, dtype=self.dtype)
        return {"uri": self.uri}
