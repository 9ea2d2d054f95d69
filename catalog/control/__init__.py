"""Mutable operational state, with transactions: the plans, and later verdicts on single frames."""
