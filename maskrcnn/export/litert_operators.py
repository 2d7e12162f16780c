"""The operators of a LiteRT file, read from its flatbuffer: whether all are built in, and which compute in int8."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


class LiteRTOperator(NamedTuple):
    """One operator of a file.

    Attributes:
        name: of the built-in operator, such as CONV_2D; of a custom one "CUSTOM " and its own.
        inputs: dtype of what it reads, such as "float32" or "int8"; "" where it reads nothing.
        weights: dtype of the weights of a convolution or dense layer; "" of other operators.
        outputs: dtype of its first result.
    """

    name: str
    inputs: str
    weights: str
    outputs: str


def operators(path: str | Path) -> list[LiteRTOperator]:
    """Every operator of a LiteRT file, in order."""
    from tensorflow.lite.python import schema_py_generated as schema

    content = Path(path).read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    dtypes = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    found = []
    for graph in (model.Subgraphs(i) for i in range(model.SubgraphsLength())):
        for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            if name == "CUSTOM":
                name = f"CUSTOM {code.CustomCode().decode()}"

            def dtype(index: int, graph=graph) -> str:
                return dtypes[graph.Tensors(index).Type()] if index >= 0 else ""

            read = [operator.Inputs(i) for i in range(operator.InputsLength())]
            if name == "TRANSPOSE_CONV":  # the shape of the result, the weights, then what it reads
                read = [read[2], read[1], read[0]]
            weights = dtype(read[1]) if name in WITH_WEIGHTS else ""
            found.append(
                LiteRTOperator(name, dtype(read[0]) if read else "", weights, dtype(operator.Outputs(0)))
            )
    return found


def is_custom(operator: LiteRTOperator) -> bool:
    """Whether an operator is not built into the runtime: custom, or of TensorFlow (Flex)."""
    return operator.name.startswith("CUSTOM")
