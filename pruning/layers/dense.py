"""Dense layers, and projections written as an einsum."""

from typing import Any

from pruning.graph.trace import Trace
from pruning.graph.walk import Call
from pruning.layers.convolutions import place_kernel
from pruning.layers.layer_rule import Kept, LayerRule, activate, weight


class Dense(LayerRule):
    """Dense: reads and makes on the last axis; channels on the others pass by."""

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        made = trace.make(call, layer.units)
        place_kernel(call, trace, "kernel", trace.channels(source), made)
        trace.slice(call, "makes", layer.bias if layer.use_bias else None, -1, made)
        activate(call, trace, made)
        trace.give(output, made, call)
        for axis, channels in trace.axes(source).items():
            if axis != len(source.shape) - 1:
                trace.give(output, channels, call, axis)


class EinsumDense(LayerRule):
    """EinsumDense: what happens to an axis is told by where its letter stands in the equation.

    In kernel and output: new channels. In kernel and input: read. In all three: a slice of the kernel for each. In
    input and output: passes by. In the input alone: summed, and kept whole.
    """

    def channels(self, call: Call, trace: Trace) -> None:
        layer, source, output = call.layer, call.inputs[0], call.outputs[0]
        read, held, written = _letters(layer.equation, len(source.shape))
        flows = {read[axis]: channels for axis, channels in trace.axes(source).items()}
        for letter in set(flows) - set(held) - set(written):
            trace.lock(flows[letter], f"{call.path} sums over them")
        made = [letter for letter in written if letter in held and letter not in read]
        kernel = weight(layer, "kernel")
        for letter in made:
            name = letter if len(made) > 1 else ""
            flows[letter] = trace.make(call, kernel.shape[held.index(letter)], name)
        roles = {letter: "makes" if letter in made else "carries" if letter in written else "reads" for letter in held}
        trace.kernel(call, kernel)
        for axis, letter in enumerate(held, start=-len(held)):
            place_axis(call, trace, layer, axis, roles[letter], flows.get(letter), folds=letter == written[-1])
        for axis in range(-len(layer.bias.shape) if layer.bias is not None else 0, 0):
            if (letter := written[axis]) in layer.bias_axes and letter in held:
                trace.slice(call, roles[letter], layer.bias, axis, flows.get(letter), kernel=False)
        trace.give(output, None, call)
        for axis, letter in enumerate(written):
            if letter in flows:
                activate(call, trace, flows[letter])
                trace.give(output, flows[letter], call, axis)

    def narrow(self, config: dict, call: Call, kept: Kept) -> None:
        output = call.outputs[0]
        stated = list(call.layer.partial_output_shape)
        first = 1 if call.layer.equation.endswith("...") else len(output.shape) - len(stated)
        for axis, length in enumerate(stated, start=first):
            stays = kept(output, axis)
            if stays is not None and length is not None:
                stated[axis - first] = int(stays.sum())
        config["output_shape"] = tuple(stated)

    def macs(self, call: Call, sizes: Any) -> int:
        read, held, written = _letters(call.layer.equation, len(call.inputs[0].shape))
        found = sizes(call.inputs[0])
        for axis, letter in enumerate(written):
            if letter in held and letter not in read:
                found *= sizes.length(call.outputs[0], axis)
        return found


def place_axis(call: Call, trace: Trace, layer: Any, axis: int, role: str, channels: Any, folds: bool = False) -> None:
    """An axis of an EinsumDense layer's kernel, and of the factor of its LoRA that has it.

    Args:
        axis: negative.
        folds: whether these are the channels that a batch norm behind it scales.
    """
    trace.slice(call, role, weight(layer, "kernel"), axis, channels, folds=folds)
    if layer.lora_enabled:
        factor = layer.lora_kernel_b if axis == -1 else layer.lora_kernel_a
        trace.slice(call, role, factor, axis, channels, kernel=False)


def _letters(equation: str, rank: int) -> tuple[str, str, str]:
    """Letters of input, kernel and output, one an axis; axes that the dots stand for have digits."""
    sides, written = equation.replace(" ", "").split("->")
    read, held = sides.split(",")
    digits = "".join(str(number) for number in range(rank - len(read.replace("...", ""))))
    return read.replace("...", digits), held, written.replace("...", digits)
