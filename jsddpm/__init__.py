"""Joint synthesis of FLAIR slices and lesion masks by a diffusion model conditioned on z-bin and pathology.

Public names are imported on first use, so ``import jsddpm`` stays instant and free of torch; ``__init__.pyi`` lists
them with their types.

>>> from jsddpm import ZBinning
>>> ZBinning(z_range=(24, 93), n_bins=10).index(24)
0
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return __all__
