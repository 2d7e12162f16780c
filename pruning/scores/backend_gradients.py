"""Losses and their gradients on Keras's backend: the one module that knows which backend that is.

`task_losses` is opaque: it calls a model as users do, without states. On TensorFlow a tape watches the kernels; on
JAX and PyTorch other values stand in for them inside a `keras.StatelessScope`, which watches frozen ones too.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

TaskLosses = Callable[[Any], Any]
Reduce = Callable[[list, dict[str, list]], Any]
"""(values of the variables, task -> slopes of its loss by them, None where there is none) -> what is wanted of them."""


def compiled(task_losses: TaskLosses, variables: Sequence[Any] = (), reduce: Reduce | None = None) -> Callable:
    """Compile losses, and what is made of their gradients; PyTorch runs them as they come.

    Args:
        task_losses: batch -> {task: scalar}, or one scalar (the task "loss"). Only variables' values may change
            between calls, without a new trace.
        variables: Keras variables to derive by; one may come several times.
        reduce: what is made of the slopes, in `keras.ops`; compiled with them. None: nothing.

    Returns:
        A function batch -> (losses, reduced): task -> scalar; what `reduce` gave.

    Raises:
        ValueError: from the function: a loss is no scalar.
        NotImplementedError: the backend is another one (NumPy and OpenVINO have no gradients).
    """
    backend = keras.backend.backend()
    if backend not in _BACKENDS:
        raise NotImplementedError(f"losses and gradients need Keras on {', '.join(_BACKENDS)}; found {backend!r}")
    once = {id(variable): variable for variable in variables}  # one may be derived by along several axes
    places = [list(once).index(id(variable)) for variable in variables]

    def reduced(values: list, slopes: dict[str, list]) -> Any:
        if reduce is None:
            return None
        each = {task: [of_task[place] for place in places] for task, of_task in slopes.items()}
        return reduce([values[place] for place in places], each)

    run = _BACKENDS[backend](task_losses, list(once.values()), reduced)
    return lambda batch: run(keras.tree.map_structure(_tensor, batch))


def sum_but(value: Any, axis: int) -> Any:
    """Sum over all axes but one."""
    others = tuple(other for other in range(len(value.shape)) if other != axis % len(value.shape))
    return keras.ops.sum(value, axis=others) if others else value


def _on_tensorflow(task_losses: TaskLosses, variables: list, reduce: Reduce) -> Callable:
    import tensorflow as tf

    values = [variable.value for variable in variables]

    @tf.function(reduce_retracing=True, autograph=False)
    def run(batch):
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(values)  # by hand, so that frozen kernels are watched too
            losses = {task: tf.convert_to_tensor(loss) for task, loss in _named(task_losses(batch)).items()}
        _all_scalars(losses)
        slopes = {task: tape.gradient(loss, values) for task, loss in losses.items()}
        return losses, reduce(values, slopes)

    return run


def _on_torch(task_losses: TaskLosses, variables: list, reduce: Reduce) -> Callable:
    import torch

    def run(batch):
        values = [variable.value.detach().requires_grad_() for variable in variables]
        with (
            torch.set_grad_enabled(bool(variables)),
            keras.StatelessScope(list(zip(variables, values, strict=True))),
        ):
            losses = {task: keras.ops.convert_to_tensor(loss) for task, loss in _named(task_losses(batch)).items()}
        _all_scalars(losses)
        slopes = {
            task: list(torch.autograd.grad(loss, values, retain_graph=True, allow_unused=True))
            if values and loss.requires_grad
            else [None] * len(values)
            for task, loss in losses.items()
        }
        with torch.no_grad():
            reduced = reduce([value.detach() for value in values], slopes)
        return {task: loss.detach() for task, loss in losses.items()}, reduced

    return run


def _on_jax(task_losses: TaskLosses, variables: list, reduce: Reduce) -> Callable:
    import jax

    runs: dict[Any, tuple[list, Callable]] = {}

    def prepared(batch: Any) -> tuple[list, Callable]:
        """The other variables that the losses read on batches like this one, and the compiled function.

        They have to be its arguments too: JAX would keep the values that they have now.
        """
        read: dict[int, Any] = {}

        def look(batch: Any) -> dict[str, Any]:
            with _Reading() as scope:
                losses = _named(task_losses(batch))
            read.update(scope.read)
            return losses

        shapes = jax.eval_shape(look, batch)
        _all_scalars(shapes)
        tasks = list(shapes)
        mine = {id(variable) for variable in variables}
        others = [variable for key, variable in read.items() if key not in mine]

        def losses_of(values: list, rest: list, batch: Any) -> list:
            state = zip([*variables, *others], [*values, *rest], strict=True)
            with keras.StatelessScope(list(state)):
                losses = _named(task_losses(batch))
            return [keras.ops.convert_to_tensor(losses[task]) for task in tasks]

        def slopes_of(values: list, rest: list, batch: Any) -> list:
            return [
                jax.grad(lambda values, at=at: losses_of(values, rest, batch)[at])(values) for at in range(len(tasks))
            ]

        # A loss that does not depend on a kernel has a slope of zeros, which depends on nothing.
        program = jax.make_jaxpr(slopes_of)(_values(variables), _values(others), batch).jaxpr
        depends = iter(_depends(program, [True] * len(program.invars)))
        reached = [[next(depends) for _ in variables] for _ in tasks]

        @jax.jit
        def run(values: list, rest: list, batch: Any) -> tuple[list, Any]:
            slopes = {
                task: [slope if reaches else None for slope, reaches in zip(found, known, strict=True)]
                for task, found, known in zip(tasks, slopes_of(values, rest, batch), reached, strict=True)
            }
            return losses_of(values, rest, batch), reduce(values, slopes)

        def named(values: list, rest: list, batch: Any) -> tuple[dict, Any]:
            losses, reduced = run(values, rest, batch)
            return dict(zip(tasks, losses, strict=True)), reduced

        return others, named

    def run(batch: Any) -> tuple[dict, Any]:
        leaves, structure = jax.tree.flatten(batch)
        key = structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
        if key not in runs:
            runs[key] = prepared(batch)
        others, compiled_run = runs[key]
        return compiled_run(_values(variables), _values(others), batch)

    return run


class _Reading(keras.StatelessScope):
    """Notes which variables are read within it."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, Any] = {}

    def get_current_value(self, variable: Any) -> Any:
        self.read[id(variable)] = variable
        return super().get_current_value(variable)


def _depends(program: Any, given: list[bool]) -> list[bool]:
    """Which outputs of a jaxpr depend on those inputs; of a compiled function inside it, each output on its own."""
    known = dict(zip(program.invars, given, strict=True))
    for step in program.eqns:
        marks = [not hasattr(atom, "val") and known.get(atom, False) for atom in step.invars]
        inner = step.params.get("jaxpr") if step.primitive.name in ("jit", "pjit") else None
        found = [any(marks)] * len(step.outvars) if inner is None else _depends(inner.jaxpr, marks)
        known.update(zip(step.outvars, found, strict=True))
    return [not hasattr(atom, "val") and known.get(atom, False) for atom in program.outvars]


_BACKENDS = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}


def _values(variables: Iterable) -> list:
    return [variable.value for variable in variables]


def _named(losses: Any) -> dict[str, Any]:
    return dict(losses) if hasattr(losses, "items") else {"loss": losses}


def _all_scalars(losses: dict[str, Any]) -> None:
    for task, loss in losses.items():
        if len(loss.shape):
            raise ValueError(
                f"task_losses: task {task!r} has shape {tuple(loss.shape)}; expected a scalar for the batch"
            )


def _tensor(leaf: Any) -> Any:
    """A tensor of the backend, also from another framework's (a tf.data.Dataset's)."""
    if leaf is None or keras.ops.is_tensor(leaf):
        return leaf
    return keras.ops.convert_to_tensor(np.asarray(leaf) if keras.backend.backend() != "tensorflow" else leaf)
