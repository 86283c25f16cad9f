"""The five networks whose steps are counted and timed on a GPU."""

from typing import Any

BATCH = 64
NETWORKS: dict[str, dict[str, Any]] = {
    "WRN-28-2 @32, mu 3": {"mu": 3},
    "WRN-28-2 @32, mu 7": {"mu": 7},
    "WRN-28-8 @32, mu 7": {"mu": 7, "width": 8},
    "ResNet-18 @84, mu 3": {"mu": 3, "backbone": "resnet18", "size": 84},
    "ResNet-50 @224, mu 3": {"mu": 3, "backbone": "resnet50", "size": 224},
}
# What one H100 cannot go below at B=64: FLOPs over 790 TFLOP/s, or bytes over 3.0 TB/s. And what would be extraordinary.
FLOORS_MS: dict[str, tuple[float, float | None]] = {
    "WRN-28-2 @32, mu 3": (2.3, 4.0),
    "WRN-28-2 @32, mu 7": (5.0, None),
    "WRN-28-8 @32, mu 7": (36.0, None),
    "ResNet-18 @84, mu 3": (2.1, 4.5),
    "ResNet-50 @224, mu 3": (51.0, 125.0),
}
# Steps over which a GPU's losses are compared with the CPU's.
LOSS_STEPS = 50
