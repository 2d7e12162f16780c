"""Mending the statistics of batch norms, which pruning leaves wrong."""

import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from pruning.masks.mask_notes import noted_positions
from pruning.removal.norm_readings import Moments, Norm, NormStatistics, norms_of, run, stored, watched


def recalibrate(model: Any, batches: Iterable, dense: Any = None, *, plain: bool = False) -> Any:
    """Mend every batch norm's moving statistics, in place, over some batches.

    Every batch passes once, with everything else as in inference (no dropout).

    - A norm that trains gets the exact mean and variance of its inputs over all batches together, so that a layer
      called on several levels, or a smaller last batch, counts by its positions; momentum has no part. While they
      pass, it normalises with each batch's own.
    - A norm that is frozen (any pretrained detector's) was trained with the statistics that it has, which are not
      those of its inputs; only what pruning changed is mended. With E, V the mean and variance of its inputs over the
      same batches in the dense (d) and the pruned (p) network, and m, v the stored ones:
      v' = v V_p / V_d,  m' = E_p - (E_d - m) sqrt(v' / v).
      If nothing was pruned, nothing changes. Without `dense` it is left as it is, with a warning.
      (The idea of REPAIR, Jordan et al. 2022, arXiv 2211.08403, for merged networks.)

    Args:
        model: the pruned network, masked or smaller: Functional or Sequential model, or a model with `.network`; it
            is called on every batch.
        batches: of the model's inputs; of a tuple (inputs, targets, ...) the inputs are taken.
        dense: the network that `mask` or `remove` made it from, which is called on every batch too; or what
            `norm_statistics(network, batches)` found on the same batches.
        plain: estimate the frozen norms anew as well. That replaces what the network was trained with, and does harm
            to most; for comparison.

    Returns:
        the same model. Its optimizer is not touched.

    Raises:
        ValueError: no batches, a batch norm that none of them reached, or a dense network that does not fit.
    """
    norms = norms_of(model)
    for norm in norms if plain else ():
        norm.frozen = False
    frozen = [norm for norm in norms if norm.frozen]
    if frozen and dense is None:
        warnings.warn(
            f"{len(frozen)} frozen batch norms, such as {frozen[0].path!r}, are left as they are: give dense=, the "
            "network before pruning, and recalibrate mends what pruning changed in them",
            stacklevel=2,
        )
    known = isinstance(dense, NormStatistics)
    reference: NormStatistics | None = dense if known else None
    if frozen and dense is not None and not known:
        reference = NormStatistics(dense)

    def use(norm: Norm, mean: Any, variance: Any) -> Moments:
        if not norm.frozen:
            return mean, variance
        before = _of_call(reference, norm)
        return stored(norm.layer) if before is None else _mended(norm, before, (mean, variance))

    with watched(norms, use):
        for batch in batches:
            if reference is not None and not known:
                reference.read(batch)
            run(model, batch)
    for norm in norms:
        if not norm.tally.count:
            raise ValueError(f"batch norm {norm.path!r} saw no data: give batches that reach every layer")
    for norm in norms:
        mean, variance = norm.tally.mean, norm.tally.variance
        if norm.frozen:
            if reference is None:
                continue
            mean, variance = _mended(norm, _of_all(reference, norm), (mean, variance))
        norm.layer.moving_mean.assign(mean)
        norm.layer.moving_variance.assign(variance)
    return model


def _of_call(reference: NormStatistics | None, norm: Norm) -> Moments | None:
    """What the dense network's norm read at the call that this one is about to note; None if nothing."""
    if reference is None:
        return None
    calls = _dense(reference, norm).calls
    if len(norm.calls) >= len(calls):
        raise ValueError(f"dense has read fewer batches than batch norm {norm.path!r}: give it the same ones")
    moments = calls[len(norm.calls)]
    return None if moments is None else (_cut(norm, moments[0]), _cut(norm, moments[1]))


def _of_all(reference: NormStatistics, norm: Norm) -> Moments:
    """What the dense network's norm read over all batches."""
    tally = _dense(reference, norm).tally
    return _cut(norm, tally.mean), _cut(norm, tally.variance)


def _dense(reference: NormStatistics, norm: Norm) -> Norm:
    if norm.path not in reference.norms:
        raise ValueError(
            f"dense has no batch norm {norm.path!r}; it has {', '.join(reference.norms) or 'none'}: give the network "
            "that the pruned one was made from"
        )
    return reference.norms[norm.path]


def _cut(norm: Norm, value: Any) -> np.ndarray:
    """A vector of the dense network at the positions that the pruned one still has."""
    value, width = keras.ops.convert_to_numpy(value), norm.layer.moving_mean.shape[0]
    if len(value) == width:
        return value
    stays = noted_positions(norm.layer.moving_mean)
    if stays is None or len(stays) != len(value):
        raise ValueError(
            f"batch norm {norm.path!r} has {width} channels, in dense {len(value)}, and which of them it is not "
            "known (a file does not say): recalibrate what `remove` returned, with the network that it was given"
        )
    return value[stays]


def _mended(norm: Norm, dense: Moments, pruned: Moments) -> Moments:
    """The stored mean and variance, changed as pruning changed the inputs: m' and v'.

    A channel that never varies (one that is silent, or that the dense network's inputs leave at zero) keeps its
    variance: nothing can be learnt about it.
    """
    mean, variance = (np.asarray(keras.ops.convert_to_numpy(value), np.float64) for value in stored(norm.layer))
    (mean_d, variance_d), (mean_p, variance_p) = (
        [np.asarray(keras.ops.convert_to_numpy(value), np.float64) for value in moments] for moments in (dense, pruned)
    )
    varies = (variance_d > 0) & (variance_p > 0)
    ratio = np.where(varies, variance_p / np.where(varies, variance_d, 1), 1)
    shift = np.where(variance_p > 0, mean_d - mean, 0)
    return mean_p - shift * np.sqrt(ratio), variance * ratio
