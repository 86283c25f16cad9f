"""README.md of an exported model: a model card with a YAML head."""

import json
import re

from models.export.description import accuracies, architecture
from models.inference import Classifier
from utils.errors import one_line

_LISTED = 10


def model_card(classifier: Classifier, check: dict[str, object]) -> str:
    """Write the card. Names of classes and of the dataset come from outside: no text of theirs becomes markup."""
    facts, config = classifier.facts, classifier.config
    names = ", ".join(map(_text, facts.class_names[:_LISTED]))
    more = f" and {len(facts.class_names) - _LISTED} more, see config.json" if len(facts.class_names) > _LISTED else ""
    measured = accuracies(classifier)
    rows = [
        (label, measured[name])
        for name, label in (("top1", "class head"), ("top1_emb", "embedding head"), ("top1_combined", "both heads"))
        if name in measured
    ]
    table = "\n".join(f"| {label} | {value:.2f} |" for label, value in rows)
    accuracy = (
        f"| head | top-1 accuracy, % |\n|---|---|\n{table}\n\nMeasured by the run on its validation images after epoch "
        f"{classifier.epoch}."
        if rows
        else "Not measured: the checkpoint is from the middle of an epoch."
    )
    both = (
        "their mean"
        if classifier.has_embedding
        else "those of the class head: the run did not train the embedding head"
    )
    side = facts.cropsize
    shape = ", ".join(f"{name} {value}" for name, value in architecture(classifier).items())
    return f"""---
library_name: onnx
pipeline_tag: image-classification
tags: [image-classification, semi-supervised-learning, semco]
model_name: {_yaml(f"SemCo, {config.get('dataset_name', 'unknown dataset')}")}
---
# SemCo image classifier

Trained with SemCo (Nassar et al., "All Labels Are Not Created Equal", CVPR 2021) on {_text(str(config.get("dataset_name")))}.
{len(facts.class_names)} classes: {names}{more}.

Network: {shape}. Fingerprint `{classifier.fingerprint[:16]}`.

## Accuracy
{accuracy}

## Input
`images`: uint8, N x {side} x {side} x 3, RGB. Resize the short side to {facts.im_size} pixels
(bilinear, antialiased, the long side cut to whole pixels), then cut out the central {side} x {side}.
Normalisation is inside.

## Output
`class_probabilities`, `embedding_probabilities`, `probabilities` ({both}): N x {len(facts.class_names)},
in the order of `label_names` in config.json.
`embedding`: N x {facts.class_vectors.shape[1]}, in the space of the labels' word vectors.

## Files
* `model.onnx`: for ONNX Runtime and others. `model.pt2`: for `torch.export.load`.
* `model.safetensors`: the averaged weights under the network's own names; `labels.class_vectors` and `labels.groups`.
* `config.json`: label names, sizes, normalisation, versions. `check.json`: these files against the network, on
  {check["images"]} images ({_text(str(check["images_from"]))}).

## Limits
The network knows its classes only, and gives every image one of them. Its probabilities are not calibrated for other data.
The licence is that of the training data and of the run's owner; name it here before you publish.
"""


def _yaml(text: str) -> str:
    # A JSON string is a YAML string.
    return json.dumps(one_line(text), ensure_ascii=True)


def _text(text: str) -> str:
    """Show a name literally, whatever Markdown or HTML it holds."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|&~:$@])", r"\\\1", one_line(text))
