"""config.json of an exported model: everything that its files do not say themselves."""

from models.export.network import INPUT, OUTPUTS
from models.inference import Classifier
from utils.metrics import CLASS_HEAD, EMBEDDING_HEAD

FORMAT = "semco-export-1"
# Flags that say how the network was trained; paths and machine stay at home.
_TRAINING = (
    "dataset_name", "lam_u", "mu", "thr", "thr_emb", "lambda_emb", "cotrain", "ema_alpha", "n_epoches", "n_imgs_per_epoch",
    "batch_size", "lr", "momentum", "weight_decay", "imgnet_pretrained",
)  # fmt: skip
_UNTRAINED = {
    "embedding_probabilities": "embedding head, not trained (lambda_emb 0): noise",
    "probabilities": "class head alone",
}
_MEASURED = (*CLASS_HEAD, *EMBEDDING_HEAD, "valid_loss")


def describe(classifier: Classifier, versions: dict[str, str]) -> dict[str, object]:
    """Return the content of config.json."""
    facts = classifier.facts
    names = list(facts.class_names)
    return {
        "format": FORMAT,
        "fingerprint": classifier.fingerprint,
        "architecture": architecture(classifier),
        "num_classes": len(names),
        "label_names": names,
        "id2label": {str(code): name for code, name in enumerate(names)},
        "label2id": {name: code for code, name in enumerate(names)},
        "label_terms": list(facts.terms),
        "label_groups": facts.groups.tolist(),
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "layout": "NHWC",
            "channels": "RGB",
            "shape": ["batch", facts.cropsize, facts.cropsize, 3],
            "resize_short_side": facts.im_size,
            "resize_long_side": "int(long * resize_short_side / short)",
            "resize_filter": "bilinear, antialiased (Pillow's BILINEAR)",
            "centre_crop": facts.cropsize,
            "crop_offset": "round((side - centre_crop) / 2), half to even",
            "mean": list(facts.mean),
            "std": list(facts.std),
            "normalisation": "inside model.onnx and model.pt2: (pixel / 255 - mean) / std",
        },
        "outputs": list(OUTPUTS),
        "heads": {
            "class_probabilities": "class head, softmax of its logits",
            "embedding_probabilities": "embedding head, softmax of the sharpened cosines with the labels' word vectors",
            "probabilities": "mean of both heads",
            **({} if classifier.has_embedding else _UNTRAINED),
            "embedding": f"the embedding head's output, {facts.class_vectors.shape[1]} numbers",
        },
        "thresholds": {"thr": facts.thr, "thr_emb": facts.thr_emb},
        "training": {name: classifier.config[name] for name in _TRAINING if name in classifier.config},
        "epoch": classifier.epoch,
        "accuracy": accuracies(classifier),
        "versions": versions,
    }


def architecture(classifier: Classifier) -> dict[str, object]:
    """Return backbone and sizes."""
    facts = classifier.facts
    size = {"wres_n": facts.wres_n, "wres_k": facts.wres_k} if facts.backbone == "wres" else {}
    return {"backbone": facts.backbone, **size, "embedding_dim": facts.class_vectors.shape[1]}


def accuracies(classifier: Classifier) -> dict[str, float]:
    """Return what the run measured of these weights; nothing for a checkpoint from the middle of an epoch."""
    if classifier.steps or not classifier.history:
        return {}
    last = classifier.history[-1]
    names = [name for name in _MEASURED if classifier.has_embedding or name not in EMBEDDING_HEAD]
    return {name: last[name] for name in names if isinstance(last.get(name), float)}  # type: ignore[misc]
