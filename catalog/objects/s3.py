"""Objects in an S3 bucket, or in anything that speaks S3 and honours `If-None-Match: *`.

What the server answered is as durable as the server makes it: SeaweedFS syncs a bucket's bytes only after
`fs.configure -locationPrefix=/buckets/NAME/ -fsync -apply` in its shell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions
from obstore.store import S3Store

from catalog.clock import to_us
from catalog.errors import BadInput, BeejanError, NotDurable, Permanent, Unavailable
from catalog.failpoints import hit
from catalog.objects.port import Listed, checked

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Credential

CONNECT_S = 3
REQUEST_S = 20
TRIES = 4
RETRY_S = 60
CREATE_S = 3
"""A create that took longer is not repeated: nobody at a door waits for it any more."""
_BACKOFF_S = 0.1
_NO_BUCKET = "NoSuchBucket"
_FORBIDDEN = "status code: 403"
"""As a listing is refused, which the client has no class for."""
_SKEWED = "RequestTimeTooSkewed"
_REFUSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_FAILED = (exceptions.BaseError, OSError, ValueError)


@dataclass(frozen=True)
class Place:
    """Where objects are kept: `url` is `s3://bucket/prefix`, `endpoint` empty for the region's own."""

    url: str
    endpoint: str
    region: str
    key_id: str
    secret: str = field(repr=False)

    def within(self, name: str) -> Place:
        """The same, one folder down."""
        return replace(self, url=f"{self.url.rstrip('/')}/{name}")


class S3:
    """A `port.Objects` below a prefix of one bucket. Every request has a time limit, and so has the sum of
    its repetitions. Does not survive a fork; pickles."""

    def __init__(self, place: Place) -> None:
        self._place = place
        retry: RetryConfig = {
            "max_retries": TRIES - 1,
            "retry_timeout": timedelta(seconds=RETRY_S),
            "backoff": {
                "init_backoff": timedelta(seconds=_BACKOFF_S),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        }
        self._store = _open(place, retry)
        # Whether the client repeats a create is its secret; here it is ours.
        self._once = _open(place, {"max_retries": 0, "retry_timeout": timedelta(seconds=REQUEST_S)})
        self._pause: Callable[[float], object] = threading.Event().wait

    def __reduce__(self) -> tuple[type[S3], tuple[Place]]:
        return S3, (self._place,)

    def put(self, key: str, content: bytes) -> None:
        """As the port says."""
        hit("object.synced")
        with _told(NotDurable):
            obstore.put(self._store, checked(key), content, use_multipart=False)

    def create(self, key: str, content: bytes) -> bool:
        """As the port says."""
        deadline_s = time.monotonic() + CREATE_S
        hit("object.synced")
        for attempt in range(TRIES):
            try:
                obstore.put(self._once, checked(key), content, mode="create", use_multipart=False)
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                return False
            except _FAILED as failure:
                trouble = _error(failure, NotDurable)
                if isinstance(trouble, Permanent) or attempt == TRIES - 1 or time.monotonic() > deadline_s:
                    raise trouble from None
                self._pause(_BACKOFF_S * 2**attempt)
            else:
                return True
        raise AssertionError("the last attempt returns or raises")

    def get(self, key: str) -> bytes:
        """As the port says."""
        with _told(Unavailable):
            return bytes(obstore.get(self._store, checked(key)).bytes())

    def list(self, folder: str, after: str = "") -> Iterator[Listed]:
        """As the port says."""
        pages = obstore.list(self._store, folder or None, offset=after or None, chunk_size=1000)
        while True:
            with _told(Unavailable):
                page = next(pages, None)
            if page is None:
                return
            for one in page:
                yield Listed(one["path"], one["size"], to_us(one["last_modified"]))

    def folders(self, folder: str) -> tuple[str, ...]:
        """As the port says."""
        with _told(Unavailable):
            found = obstore.list_with_delimiter(self._store, folder or None)["common_prefixes"]
        return tuple(sorted(each.rstrip("/").rpartition("/")[2] for each in found))

    def delete(self, keys: Sequence[str]) -> None:
        """As the port says."""
        if keys:
            with _told(Unavailable):
                obstore.delete(self._store, [checked(key) for key in keys])

    def sweep(self) -> None:
        """As the port says: an object is there whole or not at all."""


def _open(place: Place, retry: RetryConfig) -> S3Store:
    scheme, _, path = place.url.partition("://")
    bucket, _, prefix = path.partition("/")
    if scheme != "s3" or not bucket:
        raise BadInput("not the address of a bucket", hint="s3://bucket/prefix", url=place.url)
    limits: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "timeout": timedelta(seconds=REQUEST_S),
        "allow_http": place.endpoint.startswith("http://"),
    }
    where: dict[str, Any] = {"aws_endpoint_url_s3": place.endpoint} if place.endpoint else {}
    return S3Store(
        bucket,
        prefix=prefix.strip("/") or None,
        region=place.region,
        # Given this way, nothing of the environment is mixed in, as a session's token of somebody else.
        credential_provider=partial(_credential, place),
        virtual_hosted_style_request=not place.endpoint,
        client_options=limits,
        retry_config=retry,
        **where,
    )


def _credential(place: Place) -> S3Credential:
    return {"access_key_id": place.key_id, "secret_access_key": place.secret, "expires_at": None}


@contextmanager
def _told(passing: type[BeejanError]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as absent:
        if _NO_BUCKET in str(absent):
            raise _error(absent, passing) from None
        raise LookupError("no such object") from None
    except _FAILED as failure:
        raise _error(failure, passing) from None


def _error(failure: Exception, passing: type[BeejanError]) -> BeejanError:
    """What came back, in our words: the client's own quote addresses and the server's answer."""
    if _SKEWED in str(failure):
        return passing("the object store finds our clock wrong", hint="set the clock of this machine")
    if isinstance(failure, _REFUSED) or _FORBIDDEN in str(failure):
        return Permanent("the object store refuses our key", hint="check key, secret and what they may do")
    if _NO_BUCKET in str(failure):
        return Permanent("the bucket does not exist", hint="create it, or check the address")
    reason = type(failure).__name__
    return passing("the object store does not answer as it should", hint="is it up?", reason=reason)
