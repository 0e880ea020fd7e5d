"""Where a model is trained or used."""

from __future__ import annotations

import re

import torch


def torch_device(name: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" (also "cuda:1") means here; ValueError where there is none.

    On a GPU, products of 32-bit numbers are from then on those of its matrix units (TF32: 10 bits of mantissa).
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"{name!r} is not a device: use auto, cpu or cuda")
    if name.startswith("cuda") and int(name[5:] or 0) >= torch.cuda.device_count():
        raise ValueError(f"there is no CUDA device {name[5:] or 0} here: use --device cpu")
    device = torch.device(name)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    return device
