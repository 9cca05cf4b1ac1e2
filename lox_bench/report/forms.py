"""The forms that figures and tables are asked for in; light, so that listing options stays fast."""

from enum import StrEnum


class Style(StrEnum):
    """What figures are for."""

    PAPER = "paper"
    SLIDES = "slides"


class TableFormat(StrEnum):
    """How tables are written."""

    LATEX = "latex"
    MARKDOWN = "markdown"
    CSV = "csv"
