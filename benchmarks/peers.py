"""The same work done by a peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def pytorch_passes(layer: Any, x: Any, d_outputs: Any) -> Callable[[], Any]:
    """Forward and backward of a PyTorch layer over x, with all gradients; it gives that of x."""
    import torch

    inputs, ends = torch.tensor(x, requires_grad=True), torch.tensor(d_outputs)

    def passes() -> Any:
        layer.zero_grad()
        inputs.grad = None
        layer(inputs)[0].backward(ends)
        return inputs.grad

    return passes
