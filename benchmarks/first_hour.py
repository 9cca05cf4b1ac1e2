"""The first hour, as a stranger has it: the commands of docs/first-hour.md in an empty environment.

    python benchmarks/first_hour.py --folder /tmp/stranger            # prints the log
    python benchmarks/first_hour.py --folder /tmp/stranger --write    # and puts it into the page
    ... --keep PIP_FIND_LINKS          # lets one variable of this machine through, and says so

Nothing is inherited: an empty home folder, no environment but PATH, HOME and LANG, no cache, a
fresh clone. The commands and the method's file are read from the page itself, up to "In earnest".
The first command that fails ends it. On a busy machine the seconds are upper bounds; the load
stands in the log.
"""

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-hour.md"
END = "## 5. In earnest"
BEGIN_LOG, END_LOG = "<!-- log -->", "<!-- /log -->"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A command that was typed."""

    command: str
    seconds: float
    code: int
    load: float


def main() -> int:
    """Type everything; the exit code of the last command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="new folder, for home and clone")
    parser.add_argument("--branch", help="what is cloned (default: what is checked out)")
    parser.add_argument(
        "--path", default="/usr/local/bin:/usr/bin:/bin", help="PATH of the stranger"
    )
    parser.add_argument(
        "--keep", action="append", default=[], help="a variable that the stranger has, too"
    )
    parser.add_argument("--write", action="store_true", help="put the log into the page")
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    options.folder.mkdir(parents=True)
    given = {"PATH": options.path} | {name: os.environ[name] for name in options.keep}
    branch = options.branch or checked_out()
    steps = typed(text.partition(END)[0], options.folder, branch, given)
    made = log(steps, options.folder, options.keep)
    print(made)
    if options.write and steps[-1].code == 0:
        head = text.partition(BEGIN_LOG)[0]
        PAGE.write_text(f"{head}{BEGIN_LOG}\n\n{made}\n\n{END_LOG}\n", encoding="utf-8")
    return steps[-1].code


def checked_out() -> str:
    """The branch that is checked out here."""
    command = ["git", "rev-parse", "--abbrev-ref", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def typed(text: str, folder: Path, branch: str, given: dict[str, str]) -> list[Step]:
    """Every block in order: files are written, commands run; up to the first that fails."""
    home, here, steps = folder / "home", folder, list[Step]()
    home.mkdir()
    environment = {"HOME": str(home), "LANG": "C.UTF-8", "TERM": "dumb"} | given
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            (here / "mine.py").write_text(block, encoding="utf-8")
            continue
        for line in filter(None, map(str.strip, block.splitlines())):
            if line.startswith("cd "):
                here /= line.removeprefix("cd ")
                continue
            steps.append(type_in(line, meant(line, branch), here, environment))
            if steps[-1].code:
                return steps
    return steps


def meant(line: str, branch: str) -> str:
    """The command with this repository and branch in it, where it clones."""
    if not line.startswith("git clone"):
        return line
    line = line.replace("REPOSITORY", shlex.quote(str(ROOT)))
    return re.sub(r"--branch \S+", f"--branch {shlex.quote(branch)}", line)


def type_in(shown: str, command: str, here: Path, environment: dict[str, str]) -> Step:
    """Run one line in a shell, as a person does."""
    started = time.monotonic()
    done = subprocess.run(["/bin/sh", "-c", command], cwd=here, env=environment, check=False)
    step = Step(shown, time.monotonic() - started, done.returncode, os.getloadavg()[0])
    print(f"--- {step}", file=sys.stderr, flush=True)
    return step


def log(steps: list[Step], folder: Path, kept: list[str]) -> str:
    """A table of the commands, and what they ran on."""
    measure = ["du", "-sh", "lox-bench/.venv", "home"]
    size = subprocess.run(measure, cwd=folder, capture_output=True, text=True, check=False).stdout
    rows = [
        f"| `{step.command.replace('|', chr(92) + '|')}` | {step.seconds:.0f} | {step.load:.0f} |"
        for step in steps
    ]
    asked = subprocess.run(
        [folder / "lox-bench/.venv/bin/python", "--version"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    python = asked.stdout.strip()
    loads, cores = [step.load for step in steps], os.cpu_count()
    more = f" Of the machine's environment it had {', '.join(kept)}." if kept else ""
    ended = "all ended with exit code 0" if not steps[-1].code else f"ended: {steps[-1].code}"
    head = (
        f"{time.strftime('%Y-%m-%d')}, {cores} cores ({platform.machine()}), {python}, load "
        f"{min(loads):.0f} to {max(loads):.0f} while it ran: where that is above {cores}, the "
        f"seconds are upper bounds. {len(steps)} commands, "
        f"{sum(step.seconds for step in steps) / 60:.0f} minutes, {ended}. On disk afterwards: "
        f"{', '.join(size.split())}.{more}"
    )
    return "\n".join([head, "", "| command | seconds | load |", "|---|---:|---:|", *rows])


if __name__ == "__main__":
    sys.exit(main())
