"""Where the doors' addresses begin, for whichever door names those of the other."""

from __future__ import annotations

from typing import Final

QUERY_PREFIX: Final = "/query"
QUERY: Final = f"{QUERY_PREFIX}/v1"
"""Every address of the query application begins so."""
QUERY_DESCRIPTION: Final = f"{QUERY}/openapi.json"
