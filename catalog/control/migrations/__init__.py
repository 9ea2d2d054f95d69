"""Revisions of the control database, oldest first, each in one file: what it adds and how that goes again."""
