"""A classifier as one network from uint8 pixels to probabilities, the form in which it leaves this project."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.inference import Classifier
from models.label_guessor import sharpening_factor

INPUT = "images"
# Probabilities (N, C) of the class head, of the embedding head, and their mean (the class head's where the other one is not
# trained); embedding (N, D). A plain tuple in this order: what torch.export saves must not name a class of this project.
OUTPUTS = ("class_probabilities", "embedding_probabilities", "probabilities", "embedding")


class ExportedNet(nn.Module):
    """Centre crops uint8 (N, H, W, 3), RGB -> `OUTPUTS`, in float32. Normalisation and softmax are inside."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        facts = classifier.facts
        mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (facts.mean, facts.std))
        self.model = copy.deepcopy(classifier.model).cpu().to(memory_format=torch.contiguous_format).eval()
        # As the evaluation normalises: one multiplication and one addition.
        self.register_buffer("scale", (1 / (255 * std)).float())
        self.register_buffer("shift", (-mean / std).float())
        self.register_buffer("unit_vectors", F.normalize(facts.class_vectors, dim=1))
        self.has_embedding = classifier.has_embedding
        self.sharpening = sharpening_factor(int(facts.groups.max()) + 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Classify images; returns a tensor for each of `OUTPUTS`."""
        output = self.model(images.permute(0, 3, 1, 2).float() * self.scale + self.shift)
        by_class = output.logits.softmax(dim=1)
        similarities = F.normalize(output.embedding, dim=1) @ self.unit_vectors.T
        by_embedding = (self.sharpening * similarities).softmax(dim=1)
        both = (by_class + by_embedding) / 2 if self.has_embedding else by_class.clone()
        return by_class, by_embedding, both, output.embedding
