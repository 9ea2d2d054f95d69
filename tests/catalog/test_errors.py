"""Every error reaches the caller as itself, also through an actor."""

import pickle

import pytest

from catalog import errors
from catalog.errors import BeejanError


def subclasses(cls: type[BeejanError]) -> list[type[BeejanError]]:
    ours = (each for each in cls.__subclasses__() if not each.__module__.startswith("ray."))  # Ray makes some
    return [cls, *(found for each in ours for found in subclasses(each))]


@pytest.mark.parametrize("cls", subclasses(BeejanError))
def test_pickles_whole(cls: type[BeejanError]) -> None:
    error = cls("what happened", hint="what to do", segment="seg-1", offset=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert (again.message, again.hint, again.fields) == (error.message, error.hint, error.fields)
    assert str(again) == "what happened offset=3 segment=seg-1: what to do"


def test_codes_are_unique_and_kinds_are_four() -> None:
    leaves = [cls for cls in subclasses(BeejanError) if cls is not BeejanError]
    assert len({cls.code for cls in leaves}) == len(leaves)
    kinds = (errors.Permanent, errors.Transient, errors.Indeterminate, errors.Stopped)
    assert all(issubclass(cls, kinds) for cls in leaves)
