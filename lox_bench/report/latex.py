"""Tables of text as LaTeX: booktabs, everything in a cell escaped."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from lox_bench.results.text_table import TextTable

MARK: Final = "% made by lox-bench; needs \\usepackage{booktabs,graphicx,textcomp,amssymb}, T1"
_WIDE: Final = 5  # columns from which a table spans both columns of a page
_FIT: Final = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"  # if too wide
_NUMBER: Final = re.compile(r"[-+<]?[\d.,]+( \[.*)?|[-\u2013]|")
_UNFIT: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 80  # characters of a label
_MINUS: Final = re.compile(r"(?<![\w.)\]])-(?=\.?\d)")  # before a number, not within a name
_SIGNS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "[": "{[}",  # a row that begins with it would be read as \\[length]
    "]": "{]}",
    "-": "{-}",  # no ligature: -- and --- stay
    "⚠": r"\textbf{!}",
    "\N{EN DASH}": "--",
    "—": "---",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "·": r"\textperiodcentered{}",
    "Δ": r"$\Delta$",
    "κ": r"$\kappa$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "…": r"\dots{}",
    "✓": r"\checkmark{}",
    "✕": r"$\times$",
}


def latex(table: TextTable, label: str) -> str:
    """One table for ``input``; its note is set below, its title is the caption."""
    wide = "*" if len(table.head) >= _WIDE else ""
    columns = "".join(_align([row[at] for row in table.rows]) for at in range(len(table.head)))
    lines = [
        MARK,
        rf"\begin{{table{wide}}}",
        r"\centering\footnotesize",
        rf"\caption{{{escape(table.title)}}}",
        rf"\label{{tab:{label}}}",
        rf"{_FIT if wide else ''}\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _row(name.replace("_", " ") for name in table.head),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        rf"\end{{tabular}}{'}' if wide else ''}",
    ]
    if table.note:
        lines.append(rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escape(table.note)}}}")
    return "\n".join([*lines, rf"\end{{table{wide}}}"]) + "\n"


def label_of(title: str) -> str:
    """A title as a label, or the name of a file: lower-case words joined by hyphens."""
    return _UNFIT.sub("-", title.lower()).strip("-")[:_LONGEST].strip("-") or "table"


def escape(text: str) -> str:
    """Text that LaTeX sets as it is, in one line."""
    plain = _MINUS.sub("\N{MINUS SIGN}", " ".join(text.split()))
    return "".join(_SIGNS.get(sign, sign) for sign in plain)


def _row(cells: Iterable[str]) -> str:
    return " & ".join(map(escape, cells)) + r" \\"


def _align(cells: Sequence[str]) -> str:
    """Numbers to the right."""
    return "r" if cells and all(_NUMBER.fullmatch(cell) for cell in cells) else "l"
