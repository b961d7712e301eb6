"""Methods as jobs in classes that a library builds: models, data classes, enums."""

from __future__ import annotations

import dataclasses
import enum
import pickle
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest

import taskq
from taskq import Queue

queue = Queue("unix:///nowhere.sock")


class Model(pydantic.BaseModel):
    """A model that has job methods, as the guide shows."""

    model_config = pydantic.ConfigDict(ignored_types=(taskq.Job,))
    id: int

    @queue.job
    def ship(self, to: str) -> tuple[object, str]:
        return self, to

    @queue.job
    @classmethod
    def found(cls, to: str) -> tuple[object, str]:
        return cls, to


@dataclasses.dataclass(slots=True)
class Data:
    """A data class with slots, which is made twice."""

    id: int

    @queue.job
    def ship(self, to: str) -> tuple[object, str]:
        return self, to


class Struct(msgspec.Struct):
    """A struct of msgspec."""

    id: int

    @queue.job
    def ship(self, to: str) -> tuple[object, str]:
        return self, to


class Pair(NamedTuple):
    """A named tuple."""

    id: int

    @queue.job
    def ship(self, to: str) -> tuple[object, str]:
        return self, to


class Plan(enum.Enum):
    """An enum, whose job is not a member."""

    FREE = 1

    @queue.job
    def ship(self, to: str) -> tuple[object, str]:
        return self, to


@pytest.mark.parametrize("instance", [Model(id=1), Data(1), Struct(1), Pair(1), Plan.FREE], ids=lambda one: type(one).__name__)
def test_a_job_method_travels_with_its_instance(instance: Any) -> None:
    """Given a class that a library builds, when a call of its job method is stored and loaded, then it has an equal instance."""
    assert pickle.loads(pickle.dumps(instance.ship.bind("anna")))() == (instance, "anna")


def test_a_class_method_of_a_model_gets_the_model() -> None:
    """Given a class method of a model, then it gets the class; the fields of the model and the members of the enum are the plain ones."""
    assert pickle.loads(pickle.dumps(Model.found.bind("anna")))() == (Model, "anna")
    assert (list(Model.model_fields), list(Plan)) == (["id"], [Plan.FREE])


def test_without_the_setting_pydantic_refuses_a_job() -> None:
    """Given a model without the setting, then pydantic refuses the job as a field, and names the setting."""
    with pytest.raises(pydantic.errors.PydanticUserError, match="ignored_types"):

        class Plain(pydantic.BaseModel):
            @queue.job
            def ship(self) -> None: ...
