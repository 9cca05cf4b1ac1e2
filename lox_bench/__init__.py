"""Does a model's safety survive fine-tuning, and does hardening it help? Measure it.

The way through, each arrow a stored artifact keyed by the hash of everything upstream::

    argv -> Plan -> Variant recipe -> checkpoint -> completions -> verdicts -> rates -> leaderboard
"""

__version__ = "0.1.0"
