"""Versioned agreements of what a channel sends: one module per channel, listed in `registry`."""
