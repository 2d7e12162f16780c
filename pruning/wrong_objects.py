"""An object that is not what belongs in its place: one sentence that says what to write instead.

Types of this package are told by name, so that every room may ask here without importing the others.
"""

import inspect
import math
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np


def needs_model(thing: Any) -> None:
    """Raise TypeError if something of this package stands where a Keras model belongs."""
    if is_ours(thing, "ChannelGraph"):
        raise TypeError("a ChannelGraph stands where a model belongs: write graph.model, or give the model itself")
    if is_ours(thing, "Plan", "Scores", "Criterion", "Arbiter"):
        raise TypeError(f"{named(thing)} stands where a model belongs: the model comes first, then what is done to it")
    if inspect.isclass(thing) and issubclass(thing, keras.layers.Layer):
        raise TypeError(f"{named(thing)} stands where a model belongs: make one first, {thing.__name__}(...)")


def needs_graph(thing: Any, call: str) -> None:
    """Raise TypeError unless `thing` is a ChannelGraph.

    Args:
        thing: what was given.
        call: what it was given to, as written, such as "L1()".
    """
    if is_ours(thing, "ChannelGraph"):
        return
    if isinstance(thing, keras.Model) or hasattr(thing, "network"):
        raise TypeError(f"{call} scores a graph, and got a model: write {call}(pruning.ChannelGraph(model))")
    raise TypeError(f"{call} scores a pruning.ChannelGraph; got {named(thing)}")


def no_model_inside(criterion: Any) -> None:
    """Raise TypeError if a criterion was given a graph or a model as a setting, as in `L1(graph)`."""
    for value in vars(criterion).values():
        if is_ours(value, "ChannelGraph") or isinstance(value, keras.Model):
            name = type(criterion).__name__
            raise TypeError(
                f"{name} got {named(value)} as a setting: make the criterion first, pruning.{name}()(graph)"
            )


def needs_criterion(thing: Any, call: str) -> None:
    """Raise TypeError unless `thing` may be a criterion: something that is called with a graph and gives scores.

    Args:
        thing: what was given.
        call: an example with a criterion in its place, such as "pruning.plan(model, pruning.L1())".
    """
    if inspect.isclass(thing):
        how = f"pruning.{thing.__name__}()" if _ours(thing) else "pruning.L1()"
        raise TypeError(f"{named(thing)} stands where a criterion belongs: write an object, such as {how}")
    if is_ours(thing, "Arbiter"):
        raise TypeError(
            f"{named(thing)} stands where a criterion belongs: an arbiter joins the tasks of one, such as "
            f"pruning.Taylor(task_losses, batches, arbiter=pruning.{type(thing).__name__}())"
        )
    if is_schedule(thing) or isinstance(thing, keras.optimizers.schedules.LearningRateSchedule):
        raise TypeError(
            f"{named(thing)} stands where a criterion belongs: a schedule says when channels go, and belongs in "
            "pruning.PruningCallback(criterion, schedule)"
        )
    if isinstance(thing, keras.layers.Layer) or is_ours(thing, "ChannelGraph", "Plan") or not callable(thing):
        raise TypeError(f"{named(thing)} stands where a criterion belongs, such as pruning.L1(): write {call}")


def needs_schedule(thing: Any) -> None:
    """Raise TypeError unless `thing` may be a schedule of this project: step -> (should_prune, sparsity)."""
    foreign = isinstance(thing, keras.optimizers.schedules.LearningRateSchedule)  # would answer with a tensor
    if not foreign and callable(thing) and not inspect.isclass(thing):
        answer = thing(0)
        if isinstance(answer, tuple) and len(answer) == 2:
            return
    raise TypeError(
        f"{named(thing)} stands where a schedule belongs, which answers (should_prune, sparsity) to a step (the "
        "schedules of Keras are for learning rates): write schedules.PolynomialDecay(initial_sparsity=0.0, "
        "final_sparsity=0.5, begin_step=0, end_step=1000), or another of that package"
    )


def needs_fraction(value: Any, name: str, below: float = 1.0) -> float:
    """A fraction from 0 to below 1 as a float.

    Args:
        value: what was given.
        name: of the argument.
        below: what it has to stay under; 1 means just under 1, anything larger up to 1 itself.

    Raises:
        TypeError: it is no number.
        ValueError: it lies outside, or is NaN.
    """
    if is_schedule(value):
        raise TypeError(
            f"{name} is {named(value)}: a schedule belongs in pruning.PruningCallback(criterion, schedule); here "
            "write a fraction, such as 0.5"
        )
    number = value
    if getattr(value, "shape", None) == ():  # NumPy's and tensors' numbers; TensorFlow's have no `item`
        number = value.item() if hasattr(value, "item") else np.asarray(value).item()
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(f"{name} is {named(value)}; expected a fraction, such as 0.5")
    number = float(number)
    if math.isnan(number) or number < 0 or number > 1 or (number == 1 and below <= 1):
        rest = f": for {number:g} % write {number / 100:g}" if 1 < number < 100 else ""
        raise ValueError(f"{name} is {value!r}; expected a fraction in [0, 1{')' if below <= 1 else ']'}{rest}")
    return number


def needs_count(value: Any, name: str) -> None:
    """Raise unless `value` is a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number of 1 or more")


def is_ours(thing: Any, *names: str) -> bool:
    """Whether it is an object of one of these classes of this package, or of a class made from one."""
    return any(kind.__name__ in names and _ours(kind) for kind in type(thing).__mro__)


def is_schedule(thing: Any) -> bool:
    """Whether it is an object of the schedules that come with this package."""
    return any(kind.__module__.split(".")[0] == "schedules" for kind in type(thing).__mro__)


def named(thing: Any) -> str:
    """A short name for an error."""
    if inspect.isclass(thing):
        return f"the class {thing.__name__}"
    if isinstance(thing, str | int | float | bool | type(None)):
        return repr(thing)
    return f"an object of type {type(thing).__name__}"


def _ours(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "pruning"
