"""What a command does with the processor before its work: threads, and memory that stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musevae.config import AnyConfig
    from musevae.vaes import AnyVae


def set_up_cpu(model: AnyVae | AnyConfig, batch: int, wanted: int | None = None) -> None:
    """Let torch use `wanted` threads, never more than there are cores; or else a sensible number for a model's batches.

    OMP_NUM_THREADS, which torchrun sets too, is left to hold. And memory that was freed is used again.
    """
    import torch

    from musevae.training import allocation, threads  # torch

    allocation.keep_freed_memory()
    if wanted is not None:
        torch.set_num_threads(min(wanted, threads.cores()))
    elif "OMP_NUM_THREADS" not in os.environ:
        parameters = model.num_parameters if isinstance(model, torch.nn.Module) else threads.parameters(model)
        torch.set_num_threads(threads.threads(parameters, batch))
