"""How far a student's answers are from a teacher's: functions (teacher, student) -> scalar."""

from collections.abc import Callable
from typing import Any

from keras import ops

DistillationLoss = Callable[[Any, Any], Any]
_TINY = 1e-7


def soft_targets(temperature: float = 2.0, from_logits: bool = False) -> DistillationLoss:
    """Kullback-Leibler divergence of the softened classes, times temperature squared. Hinton et al. 2015.

    arXiv 1503.02531, section 2; the factor keeps the gradients' size when the temperature changes.

    Args:
        temperature: that logits are divided by; above 0.
        from_logits: the answers are logits (..., C); else probabilities that sum to 1.

    Returns:
        a function (teacher, student) -> scalar, the mean over all but the last axis.
    """
    _check(temperature)

    def loss(teacher: Any, student: Any) -> Any:
        teacher, student = (x if from_logits else ops.log(ops.maximum(x, _TINY)) for x in (teacher, student))
        teacher, student = (ops.log_softmax(x / temperature, axis=-1) for x in (teacher, student))
        return temperature**2 * ops.mean(ops.sum(ops.exp(teacher) * (teacher - student), axis=-1))

    return loss


def binary_soft_targets(temperature: float = 2.0, from_logits: bool = False) -> DistillationLoss:
    """The same for answers that are each a yes or no of their own: objectness, parity, the pixels of a mask.

    Args:
        temperature, from_logits: as for `soft_targets`; else probabilities.

    Returns:
        a function (teacher, student) -> scalar, the mean over all elements.
    """
    _check(temperature)

    def loss(teacher: Any, student: Any) -> Any:
        if not from_logits:
            teacher, student = (ops.clip(x, _TINY, 1 - _TINY) for x in (teacher, student))
            teacher, student = (ops.log(x) - ops.log(1 - x) for x in (teacher, student))
        teacher, student = teacher / temperature, student / temperature
        share = ops.sigmoid(teacher)
        yes = ops.log_sigmoid(teacher) - ops.log_sigmoid(student)
        no = ops.log_sigmoid(-teacher) - ops.log_sigmoid(-student)
        return temperature**2 * ops.mean(share * yes + (1 - share) * no)

    return loss


def relative_difference(teacher: Any, student: Any) -> Any:
    """Mean squared difference over the teacher's variance: 1 for a student that always answers the mean.

    For feature maps (FitNets' hint, Romero et al. 2015, without its scale) and for numbers such as box deltas.
    """
    spread = ops.var(teacher)
    return ops.mean(ops.square(teacher - student)) / ops.maximum(spread, _TINY)


def attention_transfer(teacher: Any, student: Any) -> Any:
    """Squared distance of the attention maps: where features are strong, whatever their number of channels.

    Zagoruyko & Komodakis, ICLR 2017, arXiv 1612.03928, equation 2 with p = 2: channels' squares are summed and the map
    of each sample has norm 1. The widths of the two may differ.
    """
    teacher, student = (_attention(x) for x in (teacher, student))
    return ops.mean(ops.sum(ops.square(teacher - student), axis=-1))


def _attention(features: Any) -> Any:
    maps = ops.sum(ops.square(features), axis=-1)
    flat = ops.reshape(maps, (ops.shape(maps)[0], -1))
    return flat / ops.maximum(ops.norm(flat, axis=-1, keepdims=True), _TINY)


def _check(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature!r}; expected a number above 0")
