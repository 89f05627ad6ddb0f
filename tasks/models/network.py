"""The network of a packaged model as plain data, for whoever computes it without LiteRT. Imports no TensorFlow.

It is read from the .tflite file itself, in which batch norm and the scaling of the pixels are folded into the weights:
so it is the same network, operation by operation.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.errors import PackageError

SHAPES = ("SHAPE", "STRIDED_SLICE", "PACK")  # by which a flattening layer computes a shape; the shapes are known
WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D")
PAIRS = ("ADD", "SUB", "MUL")
SINGLE = ("RESHAPE", "RELU", "TANH", "LOGISTIC", "NEG", "EXP", "LOG")
EXPRESSED = (*WINDOWED, "FULLY_CONNECTED", "MEAN", *PAIRS, *SINGLE)


@dataclass(frozen=True)
class Step:
    """An operation on tensors, which are known by their numbers; the constants among its inputs come last.

    operation: as TensorFlow Lite calls it. strides, window: lines down and to the right, of a convolution or pooling.
    Padding follows from the shapes: as much after as before, or one more. relu: what is below 0 becomes 0 at last.
    """

    operation: str
    inputs: list[int]
    output: int
    relu: bool
    strides: list[int]
    window: list[int]


@dataclass(frozen=True)
class Network:
    """A network from an image, float32 (1, 28, 28, 1), 0–255, to logits, (1, 10).

    shapes: of each tensor by its number, one image at a time. constants: where they stand among the weights, first
    value and how many. input, output: the number of a tensor each. weights: float32 (n,).
    """

    shapes: dict[int, list[int]]
    constants: dict[int, list[int]]
    steps: list[Step]
    input: int
    output: int
    weights: np.ndarray


def network_of(form: bytes) -> Network:
    """Read the network of a .tflite file that computes in float32.

    Raises: PackageError if it has an operation that is not among EXPRESSED, or is used as our recipes do not.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(form, 0))
    graph = model.subgraphs[0]
    shapes = {number: [int(size) for size in tensor.shape] for number, tensor in enumerate(graph.tensors)}
    weights: list[np.ndarray] = []
    constants: dict[int, list[int]] = {}
    steps = []
    known = {int(graph.inputs[0])}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        operation = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if operation in SHAPES:
            continue
        inputs = [int(number) for number in operator.inputs if number >= 0]  # a bias may be missing
        output = int(operator.outputs[0])
        if operation in ("MEAN", "RESHAPE"):
            inputs = inputs[:1]  # then come the axes of the mean, or a shape
        for number in inputs:
            content = model.buffers[graph.tensors[number].buffer].data
            if content is not None and number not in constants:
                values = np.asarray(content).view("<f4")
                constants[number] = [sum(map(len, weights)), len(values)]
                weights.append(values)
        options = operator.builtinOptions
        if not (
            known.union(constants).issuperset(inputs) and _is_expressed(operation, options, shapes, inputs, output)
        ):
            raise PackageError(
                "the network cannot be computed by a page",
                expected=f"operations among {', '.join(EXPRESSED)}, as the recipes that come along use them",
                received=operation,
                remedy="use `digits draw`, which computes on this machine",
            )
        known.add(output)
        strides = [options.strideH, options.strideW] if operation in WINDOWED else []
        window = [options.filterHeight, options.filterWidth] if operation.endswith("POOL_2D") else []
        steps.append(
            Step(operation, inputs, output, getattr(options, "fusedActivationFunction", 0) == 1, strides, window)
        )
    used = {number for step in steps for number in (*step.inputs, step.output)}
    ends = int(graph.inputs[0]), int(graph.outputs[0])
    return Network(
        {number: shapes[number] for number in used}, constants, steps, *ends, weights=np.concatenate(weights)
    )


def _is_expressed(operation: str, options: Any, shapes: dict[int, list[int]], inputs: list[int], output: int) -> bool:
    """Return whether an operation is one that a page computes, and used in the way that it computes."""
    first, *others = (shapes[number] for number in inputs)
    if getattr(options, "fusedActivationFunction", 0) not in (0, 1):  # none, ReLU
        return False
    if operation in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        dilations = options.dilationHFactor, options.dilationWFactor
        return dilations == (1, 1) and getattr(options, "depthMultiplier", 1) == 1
    if operation == "FULLY_CONNECTED":
        return math.prod(first) == others[0][1]
    if operation == "MEAN":  # over all but the channels
        return len(first) == 4 and shapes[output] in ([1, first[-1]], [1, 1, 1, first[-1]])
    if operation in PAIRS:  # of like shapes, or with a value for each channel, or with a single one
        fewer, more = sorted([first, others[0]], key=math.prod)
        return math.prod(fewer) == 1 or more[len(more) - len(fewer) :] == fewer
    return operation in EXPRESSED
