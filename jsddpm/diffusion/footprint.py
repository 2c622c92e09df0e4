"""Memory of a network, computed from the sizes of its tensors; nothing is allocated.

The network runs on PyTorch's meta device, whose tensors have a shape and no values. All storages that are alive at the
same time, saved for the backward pass or in use, are counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from jsddpm.errors import JsddpmError, environment_error

ALLOCATOR_SHARE = 1.5
"""Ratio of the resident memory of a CPU process to its live tensors: the process keeps freed blocks, and libraries of
convolutions keep copies. Measured 1.4 to 1.6 on the three presets."""
BATCH = 64
"""Number of samples drawn at once on a CPU, and in a file of a generated store, if none is set."""
MOST_AT_ONCE = 1024
"""Largest number of samples that a GPU draws at once if none is set."""


def meta_copy(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of the same shape on the meta device; parameters require a gradient."""
    state = {n: torch.empty_like(p, device="meta").requires_grad_() for n, p in network.named_parameters()}
    return state | {n: torch.empty_like(b, device="meta") for n, b in network.named_buffers()}


def network_bytes(
    network: nn.Module, size: tuple[int, int], slices: int, *, gradient: bool, self_conditioned: bool = False
) -> int:
    """Largest sum of live tensors, in bytes, in one call of a network in float32, its own weights left out.

    Args:
        network: A denoiser; it may lie on the meta device.
        size: ``(H, W)`` of the slices.
        slices: Slices of the call.
        gradient: Whether a loss and its gradient follow; the gradients of the weights count.
        self_conditioned: Whether the network is given an estimate of x0 too.

    >>> import torch
    >>> class Doubling(torch.nn.Module):
    ...     def forward(self, x, timesteps, tokens):
    ...         return x * 2
    >>> network_bytes(Doubling(), (10, 10), 5, gradient=False) - 2 * 5 * 2 * 100 * 4  # x and the result
    80
    """
    state = meta_copy(network)
    live = _LiveTensors(state.values())
    with live, _LinearAttention(), torch.set_grad_enabled(gradient):
        x = torch.empty((slices, 2, *size), device="meta")
        numbers = [torch.empty(slices, dtype=torch.int64, device="meta") for _ in range(2)]
        arguments = (x, *numbers, torch.empty_like(x)) if self_conditioned else (x, *numbers)
        result = torch.func.functional_call(network, state, arguments)
        if gradient:
            (result - x).square().mean().backward()
    return live.peak


def memory_error(key: str, parts: Mapping[Any, int], available: int, fix: str) -> JsddpmError:
    """The error for work that does not fit into memory, with its parts; ``key`` is the setting to change."""
    shares = ", ".join(f"{name} {gigabytes(part)}" for name, part in parts.items() if part)
    what = f"{key} needs {gigabytes(sum(parts.values()))} ({shares}), and {gigabytes(available)} are available"
    return environment_error("MEMORY", what, fix=fix)


def gigabytes(size: float) -> str:
    """A size as text.

    >>> gigabytes(1_500_000_000)
    '1.50 GB'
    """
    return f"{size / 1e9:.2f} GB"


class _LiveTensors(TorchDispatchMode):
    """Adds up the storages of results of operations until they are freed; views of ``uncounted`` are not counted."""

    def __init__(self, uncounted: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._live = 0
        self._known = weakref.WeakSet(tensor.untyped_storage() for tensor in uncounted)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                storage = leaf.untyped_storage()
                if storage not in self._known:
                    self._known.add(storage)
                    self._live += storage.nbytes()
                    weakref.finalize(storage, self._free, storage.nbytes())
        self.peak = max(self.peak, self._live)
        return result

    def _free(self, size: int) -> None:
        self._live -= size


class _LinearAttention(TorchFunctionMode):
    """Attention with the memory of devices: query, key, value and result, without the matrix of all pairs."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            query, key, value = args[:3]
            return query * key * value
        return func(*args, **(kwargs or {}))


def batches_at_once(batch: int, free: int) -> int:
    """How many batches of :data:`BATCH` samples, of so many bytes each, fill half of a GPU's free memory.

    At least 1, and at most :data:`MOST_AT_ONCE` samples.

    >>> batches_at_once(10, 100), batches_at_once(10, 10_000), batches_at_once(10, 5)
    (5, 16, 1)
    """
    return max(1, min(free // 2 // batch, MOST_AT_ONCE // BATCH))
