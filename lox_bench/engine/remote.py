"""A store whose artifacts lie at a URL, with copies on this machine of what is used here.

What is built is built here and then pushed; it is finished when its manifest is at the URL. What is
read is pulled first, every file against its hash. A copy whose large files were never pulled looks
like a freed artifact, so that reading facts and small files costs no gigabytes.
"""

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lox_bench.engine.artifact import FREED, Artifact, Manifest, lasts
from lox_bench.engine.depot import DamagedError, Depot
from lox_bench.engine.place import Place
from lox_bench.engine.stage import Stage
from lox_bench.engine.state import Named, look
from lox_bench.engine.store import PARTIAL, TMP, Notice, Store, Work, place_folder
from lox_bench.files import write_json


class RemoteStore(Store):
    """Artifacts at ``url``; ``root`` is this machine's cache of them."""

    def __init__(self, root: Path, url: str, notice: Notice = lambda _: None) -> None:
        """Open both.

        Raises:
            StoreError: the cache cannot be written.
            UsageError: no library opens such a URL.
        """
        super().__init__(root, notice)
        self.depot = Depot(url)
        self._whole: set[tuple[str, str]] = set()  # seen there
        self._listing: set[tuple[str, str]] | None = None  # all there is, while it is being planned
        self._copied: dict[tuple[str, str], Manifest] = {}  # by this process

    @property
    def place(self) -> Place:
        """Where both are."""
        return Place(self.root, self.depot.url)

    def find(self, stage: Named) -> Artifact | None:
        """As for any store; the files that are here are the small ones at least.

        What only this machine has is pushed.
        """
        here = super().find(stage)
        there = self._there(stage)
        if here is not None:
            return here if there else self._publish(stage, here, partial=False)
        return self._copy(stage, large=False) if there else None

    def bring(self, stage: Named) -> Artifact | None:
        """The same with all files here; what is damaged there goes, and is made again."""
        if self.find(stage) is None:
            return None
        return super().find(stage) or self._copy(stage, large=True)

    def told(self, stage: Named) -> Manifest | None:
        """What a stage's build told, also where its weights are gone."""
        here = super().told(stage)
        if here is not None or (self._listing is not None and not self._there(stage)):
            return here
        found = self._copy(stage, large=False)
        return None if found is None else found.manifest

    def artifact(self, stage: Stage) -> Artifact | None:
        """What is left of a stage: whole, freed, or partial."""
        found = self.find(stage)
        if found is not None or self.told(stage) is not None:
            return found or super().artifact(stage)
        if self.depot.manifest(stage, partial=True) is not None:
            self._copy(stage, large=True, partial=True)
        return super().artifact(stage)

    def build(self, stage: Stage, work: Work, *, partial: Callable[[], bool] = bool) -> Artifact:
        """Return the artifact of a stage; it is pushed before anybody hears of it.

        Raises:
            StoreError: the disk is full, or the URL cannot be reached.
        """
        found = self.bring(stage)
        if found is not None:
            return found
        made = super().build(stage, work, partial=partial)
        return self._publish(stage, made, partial=made.partial)

    def free(self, stage: Named) -> None:
        """Drop an artifact's large files, there and here."""
        manifest = self.depot.manifest(stage)
        if manifest is not None:
            self.depot.free(manifest)
        self._whole.discard((stage.kind, stage.key))
        super().free(stage)

    def tidy(self) -> None:
        """Drop the large files of copies that were freed at the URL meanwhile."""
        for name, manifest in list(self._copied.items()):
            if self.depot.freed(manifest) is not None:
                del self._copied[name]
                super().free(manifest)

    @contextmanager
    def planning(self) -> Iterator[None]:
        """While many stages are looked up: one listing instead of a request each."""
        self._listing = self.depot.whole()
        try:
            yield
        finally:
            self._listing = None

    def _there(self, name: Named) -> bool:
        """Whether the artifact is whole at the URL."""
        pair = (name.kind, name.key)
        if self._listing is not None:
            return pair in self._listing
        if pair not in self._whole:
            if self.depot.manifest(name) is None or self.depot.freed(name) is not None:
                return False
            self._whole.add(pair)
        return True

    def _publish(self, name: Named, made: Artifact, *, partial: bool) -> Artifact:
        """Push; where somebody else was first, theirs is what there is."""
        anew = not partial and self.depot.freed(name) is not None
        stands = self.depot.push(made.path, made.manifest, partial=partial, anew=anew)
        if not partial:
            self._whole.add((name.kind, name.key))
            self._copied[name.kind, name.key] = stands
            if self._listing is not None:
                self._listing.add((name.kind, name.key))
        if stands.files == made.manifest.files:
            return made
        super().discard(name)
        return self._copy(name, large=True) or made

    def _copy(self, name: Named, *, large: bool, partial: bool = False) -> Artifact | None:
        """Pull an artifact's files, the large ones too if so asked and if they are still there."""
        manifest = self.depot.manifest(name, partial=partial)
        if manifest is None:
            return None
        gone: Collection[str] = () if partial else self.depot.freed(name) or ()
        left = {n for n, e in manifest.files.items() if not large and not lasts(n, e.size)}
        left |= set(gone)
        folder = self.root / PARTIAL / name.kind / name.key if partial else self.path_of(name)
        with self.lock(name):
            if partial or large or not self._is_as(folder, name, manifest):
                try:
                    self._pull(folder, manifest, left, partial=partial)
                except DamagedError as error:
                    self._notice(f"{self.depot.url}: {error}; it is made again where it is needed")
                    self.depot.discard(name)
                    self._whole.discard((name.kind, name.key))
                    return None
        self._copied[name.kind, name.key] = manifest
        return Artifact(folder, manifest, partial=partial)

    def _is_as(self, folder: Path, name: Named, manifest: Manifest) -> bool:
        held = look(folder, name)
        return held.manifest == manifest and not held.problem

    def _pull(self, folder: Path, manifest: Manifest, left: set[str], *, partial: bool) -> None:
        scratch = self.root / TMP / f"{manifest.kind}-{manifest.key}"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            scratch.mkdir()
            for file in sorted(set(manifest.files) - left):
                self.depot.pull(manifest, file, scratch / file, partial=partial)
            if left:
                write_json(scratch / FREED, sorted(left))
            place_folder(scratch, folder, manifest, self.root)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
