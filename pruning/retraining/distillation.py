"""Distillation: a pruned network learns from the dense one too, by terms in what its training minimises."""

import inspect
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from pruning.graph.walk import network_of, walk
from pruning.retraining.distillation_losses import DistillationLoss

Answers = Callable[[Any, Any, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class DistilledPair:
    """Two answers, the student's and the teacher's, that are to be alike.

    Attributes:
        name: of the output, or of the layer (its name or path) whose output is a feature map.
        loss: (teacher, student) -> scalar, such as `pruning.soft_targets()`.
        weight: of the loss beside what the student minimises otherwise.
        teacher: the teacher's name of it, if another.
    """

    name: str
    loss: DistillationLoss
    weight: float = 1.0
    teacher: str | None = None


class Distillation:
    """Adds to a model's loss how far it answers from a teacher on the same inputs.

    ```python
    pairs = [pruning.DistilledPair("digit", pruning.soft_targets(2.0)),
             pruning.DistilledPair("conv2", pruning.relative_difference, weight=0.1)]
    with pruning.Distillation(dense, pairs).added_to(model):
        model.fit(x, y)
    ```

    The terms stand inside `compute_loss`, so that any model works whose training calls it: a Functional one, and a
    subclassed detector. The teacher runs as in inference and gets no gradients. Feature maps are taken from the very
    pass that trains; nothing of the student runs twice.

    Args:
        teacher: the dense model, with weights of its own.
        pairs: what is to be alike.
        answers: for models that are not Functional: (model, inputs, y_pred) -> {name: tensor or list of tensors}, for
            the student, whose `y_pred` its training has made, and for the teacher, who answers about the same things.
            None: outputs by name, and layers that the pairs name.

    Attributes:
        means: "distill_<name>" -> keras.metrics.Mean of the term, unweighted, since the last epoch began.

    Raises:
        ValueError: no pairs, or a name twice; when training begins: a pair that names neither output nor layer.
    """

    def __init__(self, teacher: Any, pairs: Sequence[DistilledPair], answers: Answers | None = None) -> None:
        names = [pair.name for pair in pairs]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"Distillation: pairs are {names}; expected one or more, each name once")
        self.teacher, self.pairs = teacher, tuple(pairs)
        self.means = {f"distill_{name}": keras.metrics.Mean(name=f"distill_{name}") for name in names}
        self._answers = answers
        self._functions: dict[int, Any] = {}  # a student's compiled step with the terms, kept between trainings

    @contextmanager
    def added_to(self, model: Any) -> Iterator[None]:
        """In this context training minimises the terms as well. The compiled step of before is put back after it."""
        if model is self.teacher:
            raise ValueError("Distillation: the student is the teacher itself: give a copy with weights of its own")
        plain, plain_function = model.compute_loss, model.train_function
        takes_training = "training" in inspect.signature(plain).parameters  # an override may lack it
        with ExitStack() as stack:
            noted = None if self._answers else stack.enter_context(_noted(model, [p.name for p in self.pairs]))

            def compute_loss(
                x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
            ) -> Any:
                more = {"training": training} if takes_training else {}
                loss = plain(x, y, y_pred, sample_weight, **more)
                return loss + self.terms(model, x, y_pred, noted) if training else loss

            model.compute_loss = compute_loss
            model.train_function = self._functions.get(id(model))
            try:
                yield
            finally:
                self._functions[id(model)] = model.train_function
                del model.compute_loss
                model.train_function = plain_function

    def terms(self, model: Any, x: Any, y_pred: Any, noted: Mapping[str, deque] | None = None) -> Any:
        """The weighted sum of all terms, a scalar; `means` take in each.

        Args:
            model: the student.
            x: inputs; y_pred: what it answered to them.
            noted: its feature maps, name -> those of each call.
        """
        if self._answers is not None:
            student = self._answers(model, x, y_pred)
            teacher = self._answers(self.teacher, x, y_pred)
        else:
            names = [pair.teacher or pair.name for pair in self.pairs]
            student = {**_by_name(model, y_pred), **(noted or {})}
            with _noted(self.teacher, names) as found:
                teacher = {**_by_name(self.teacher, self.teacher(x, training=False)), **found}
        total = 0.0
        for pair in self.pairs:
            wanted = _several(teacher[pair.teacher or pair.name])
            given = _several(student[pair.name])
            values = [self._term(pair, t, s) for t, s in zip(wanted, given, strict=True)]
            value = sum(values) / len(values)
            if keras.backend.backend() != "jax":  # whose compiled step may change only what it was given
                self.means[f"distill_{pair.name}"].update_state(value)
            total = total + pair.weight * value
        return total

    def _term(self, pair: DistilledPair, teacher: Any, student: Any) -> Any:
        try:
            return pair.loss(keras.ops.stop_gradient(keras.ops.cast(teacher, student.dtype)), student)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"Distillation: {pair.name!r}: the teacher's answer of shape {tuple(teacher.shape)} and the student's "
                f"of {tuple(student.shape)} cannot be compared ({error}); attention_transfer compares feature maps of "
                "different widths"
            ) from error


class DistillationLog(keras.callbacks.Callback):
    """Puts the mean of every distillation term into the logs of each epoch.

    Args:
        distillation: whose terms.
    """

    def __init__(self, distillation: Distillation) -> None:
        super().__init__()
        self._means = distillation.means

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        for mean in self._means.values():
            mean.reset_state()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if logs is not None:
            logs.update({name: float(mean.result()) for name, mean in self._means.items()})


@contextmanager
def _noted(model: Any, names: Sequence[str]) -> Iterator[dict[str, deque]]:
    """While a model runs, note what the named layers gave in its latest run, call by call; outputs are left out."""
    every = walk(network_of(model)).calls
    calls = {call.path: call.layer for call in every}
    times = Counter(id(call.layer) for call in every)
    layers = {**{layer.name: layer for layer in calls.values()}, **calls}
    outputs = _output_names(model)
    unknown = [name for name in names if name not in layers and name not in outputs]
    if unknown:
        raise ValueError(
            f"Distillation: {model.name!r} has neither an output nor a layer {unknown[0]!r}; its outputs are "
            f"{', '.join(outputs)}, its layers {', '.join(calls)}"
        )
    noted = [name for name in names if name not in outputs]
    found: dict[str, deque] = {name: deque(maxlen=times[id(layers[name])]) for name in noted}
    try:
        for name, results in found.items():
            layers[name].call = _noting(layers[name].call, results)
        yield found
    finally:
        for name in found:
            if "call" in vars(layers[name]):
                del layers[name].call


def _noting(call: Callable, results: deque) -> Callable:
    def noting(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        results.append(result)
        return result

    return noting


def _output_names(model: Any) -> list[str]:
    output = getattr(model, "output", None)
    return list(output) if isinstance(output, Mapping) else list(getattr(model, "output_names", []))


def _by_name(model: Any, answers: Any) -> dict[str, Any]:
    if isinstance(answers, Mapping):
        return dict(answers)
    return dict(zip(_output_names(model), keras.tree.flatten(answers), strict=True))


def _several(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple | deque) else [value]
