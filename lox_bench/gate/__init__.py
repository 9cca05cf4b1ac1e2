"""The regression gate: a run against a reference, bound by bound."""
