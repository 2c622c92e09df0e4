"""An evaluation neither depends on the state of the process that calls it nor changes that state.

The state is torch's modes, default types and global random numbers, and Python's random numbers. Other threads may
evaluate, train, or draw random numbers at the same time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_DRAWING = frozenset(
    {
        torch.bernoulli, torch.normal, torch.rand, torch.randint, torch.randn, torch.randperm,
        torch.Tensor.bernoulli_, torch.Tensor.normal_, torch.Tensor.random_, torch.Tensor.uniform_,
        nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_,
    }
)  # fmt: skip
"""Functions of torch that draw random numbers; those of ``nn.init`` that torch hands over as a whole."""


class _Float32:
    """float32 as torch's default type as long as any thread is inside; torch has one default type for all threads."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._before: torch.dtype | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if torch.get_default_dtype() != torch.float32:
                self._before = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before is not None:
                torch.set_default_dtype(self._before)
                self._before = None


_FLOAT32 = _Float32()


@contextmanager
def settled() -> Iterator[None]:
    """The modes that an evaluation needs, whatever the caller's are; those of the caller are restored.

    Gradients are enabled, because networks are trained and slices are deformed onto each other; mixed precision
    (autocast) is disabled; tensors are float32 and on the CPU where their type and device are not stated.

    >>> with torch.inference_mode(), torch.autocast("cpu"), settled():
    ...     torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.ones(1).is_inference()
    (True, False, False)
    """
    with ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                modes.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            modes.enter_context(torch.device("cpu"))
        modes.enter_context(_FLOAT32)
        yield


class drawing_from(TorchFunctionMode):  # noqa: N801 - used like a function, as torch's own modes are
    """Draw the random numbers of this thread from a generator, where the code that draws them names none.

    The weights of a network are drawn in this way by whatever library makes it. They are the same as after
    ``torch.manual_seed`` with the seed of the generator. The global generator, which all threads share, is not used.

    Args:
        generator: Source of randomness, on the CPU.

    >>> with drawing_from(torch.Generator().manual_seed(0)):
    ...     inside = nn.Linear(2, 3)
    >>> _ = torch.manual_seed(0)
    >>> torch.equal(inside.weight, nn.Linear(2, 3).weight)
    True
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, with the generator if it draws."""
        named = dict(kwargs or {})
        if func in _DRAWING and named.get("generator") is None:
            named["generator"] = self._generator
        return func(*args, **named)


@contextmanager
def importing() -> Iterator[None]:
    """Restore Python's random numbers after an import: some packages draw one while they are imported."""
    before = random.getstate()
    try:
        yield
    finally:
        random.setstate(before)
