"""All bad inputs together."""

from tests.bad_inputs import (
    datasets,
    feathers,
    flags,
    images,
    outputs,
    preparing,
    pretrained,
    splits,
    weights,
    word_vectors,
)
from tests.bad_inputs.case import BadInput

CASES: list[BadInput] = [
    case
    for module in (flags, datasets, feathers, splits, images, word_vectors, weights, pretrained, outputs, preparing)
    for case in module.CASES
]
