"""What each field of a MaskRCNNConfig takes."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any


@dataclasses.dataclass(frozen=True)
class Accepted:
    """What a field takes: a number of a kind between two ends, or a tuple of so many of them.

    Attributes:
        kind: bool, int or float; a float's field takes whole numbers too.
        least, most: the ends, which are accepted themselves; with `above`, `least` is not.
        length: how many numbers a tuple has, "any" for any number, "some" for one or more; None: no tuple, one number.
        or_none: None is accepted as well.
    """

    kind: type
    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    length: int | str | None = None
    or_none: bool = False

    def __str__(self) -> str:
        if self.kind is bool:
            return "True or False" + ", or None" * self.or_none
        ends = f"{'above' if self.above else 'at least'} {self.least:g}" * math.isfinite(self.least)
        ends += f"{' and ' * bool(ends)}at most {self.most:g}" * math.isfinite(self.most)
        noun = "whole number" if self.kind is int else "number"
        if self.length is None:
            words = f"a {noun}"
        else:
            many = {3: "three", 4: "four", 5: "five", "some": "one or more"}.get(self.length, "any number of")
            words = f"a tuple of {many} {noun}s" + ", each" * bool(ends)
        return f"{words} {ends}".rstrip() + ", or None" * self.or_none

    def takes(self, value: Any) -> bool:
        """Whether a value is accepted."""
        if value is None:
            return self.or_none
        if self.length is None:
            return self._takes_one(value)
        if not isinstance(value, tuple) or not all(map(self._takes_one, value)):
            return False
        return self.length == "any" or (len(value) > 0 if self.length == "some" else len(value) == self.length)

    def _takes_one(self, value: Any) -> bool:
        if self.kind is bool or isinstance(value, bool):
            return self.kind is bool and isinstance(value, bool)
        if not isinstance(value, numbers.Integral if self.kind is int else numbers.Real) or not math.isfinite(value):
            return False
        number = float(value)
        return (self.least < number if self.above else self.least <= number) and number <= self.most


_FLAG, _COUNT, _WHOLE = Accepted(bool), Accepted(int, 1), Accepted(int, 0)
_SHARE, _POSITIVE = Accepted(float, 0, 1), Accepted(float, 0, above=True)
_WIDTHS, _FOUR = Accepted(int, 1, length="any"), Accepted(float, 0, above=True, length=4)

# Every field that is no name.
ACCEPTED = {
    "backbone_alpha": _POSITIVE,
    "stride_in_1x1": _FLAG,
    "stem_pool_same": _FLAG,
    "conv_bias": _FLAG,
    "batch_norm_epsilon": Accepted(float, 0),
    "train_batch_norm": Accepted(bool, or_none=True),
    "frozen_stages": Accepted(int, 0, 5),
    "min_size": _COUNT,
    "max_size": _COUNT,
    "size_divisor": _COUNT,
    "square_fit": _FLAG,
    "black_padding": _FLAG,
    "pixel_mean": Accepted(float, length=3),
    "pixel_std": Accepted(float, 0, above=True, length=3),
    "max_instances": _COUNT,
    "fpn_width": _COUNT,
    "rpn_width": _COUNT,
    "box_head_widths": _WIDTHS,
    "mask_head_widths": _WIDTHS,
    "mask_deconv_width": _COUNT,
    "head_norm": _FLAG,
    "box_last_pixel": _FLAG,
    "anchor_sizes": Accepted(float, 0, above=True, length=5),
    "anchor_ratios": Accepted(float, 0, above=True, length="some"),
    "anchor_rounding": _FLAG,
    "rpn_positive_iou": _SHARE,
    "rpn_negative_iou": _SHARE,
    "rpn_samples": _COUNT,
    "rpn_positive_fraction": _SHARE,
    "rpn_nms_iou": _SHARE,
    "rpn_min_side": Accepted(float, 0),
    "rpn_delta_std": _FOUR,
    "rpn_levels_together": _FLAG,
    "pre_nms_train": _COUNT,
    "pre_nms_test": _COUNT,
    "post_nms_train": _COUNT,
    "post_nms_test": _COUNT,
    "roi_canonical_size": _POSITIVE,
    "roi_sampling_ratio": _COUNT,
    "roi_aligned": _FLAG,
    "roi_corners": _FLAG,
    "roi_level_nearest": _FLAG,
    "box_roi_size": _COUNT,
    "mask_roi_size": _COUNT,
    "roi_samples": _COUNT,
    "roi_positive_fraction": _SHARE,
    "roi_positive_iou": _SHARE,
    "box_delta_std": _FOUR,
    "mask_target_sampling_ratio": _WHOLE,
    "mask_target_binary": _FLAG,
    "huber_delta": _POSITIVE,
    "detection_min_score": _SHARE,
    "detection_nms_iou": _SHARE,
    "detections_per_image": _COUNT,
    "one_class_per_region": _FLAG,
    "flat_box_ends_class": _FLAG,
    "mask_to_box": _FLAG,
    "seed": Accepted(int),
}
