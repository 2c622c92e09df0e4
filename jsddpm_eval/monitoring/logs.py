"""Log scores and figures to the loggers of a training: Lightning's, TensorBoard, W&B, MLflow."""

from __future__ import annotations

import io
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from jsddpm.errors import usage_error
from jsddpm_eval.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def log_to(
    logger: Any,
    results: Results | Mapping[str, float],
    *,
    step: int | None = None,
    prefix: str = "eval",
    figures: Mapping[str, Figure] | None = None,
) -> None:
    """Log an evaluation.

    Undefined scores are left out, because loggers cannot store a reason. A logger without figures (CSV) gets only the
    scores.

    Args:
        logger: A logger of Lightning's; TensorBoard's ``SummaryWriter``; a run of W&B; the module ``mlflow``, which
            logs to its active run.
        results: Results, whose pooled scores and those of each bin are logged; or scores by name.
        step: Training step; None uses the count of the logger.
        prefix: Prefix of the names.
        figures: Figures by name; None draws curves of the first scores of results along the bins.

    Raises:
        JsddpmError: ``LOGGER`` (status 2) for another logger, such as a path; ``OPTION`` (status 2) for other results.

    >>> class Log:  # as Lightning's loggers are
    ...     def log_metrics(self, metrics, step=None):
    ...         print(step, metrics)
    >>> log_to(Log(), {"kid": 0.5}, step=3)
    3 {'eval/kid': 0.5}
    """
    if not isinstance(results, Results | Mapping):
        cure = "give Results, such as Results.read(path), or scores by name"
        raise usage_error("OPTION", f"the results are a {type(results).__name__}", fix=cure)
    scores = results if isinstance(results, Mapping) else _scores(results)
    pictures = figures if figures is not None else ({} if isinstance(results, Mapping) else _curves(results))
    values = {f"{prefix}/{name}": float(value) for name, value in scores.items()}
    log_values(logger, values, step)
    for name, figure in pictures.items():
        log_figure(logger, f"{prefix}/{name}", figure, step)


def log_values(logger: Any, values: Mapping[str, float], step: int | None = None) -> None:
    """Log numbers by name; see :func:`log_to`."""
    kind = _kind(logger)
    if kind == "lightning" or kind == "mlflow":
        logger.log_metrics(dict(values), step=step)
    elif kind == "wandb":
        logger.log(dict(values), step=step)
    else:
        for name, value in values.items():
            logger.add_scalar(name, value, global_step=step)


def log_figure(logger: Any, name: str, figure: Figure, step: int | None = None) -> bool:
    """Log a figure; return whether the logger supports figures."""
    kind = _kind(logger)
    if kind == "lightning":
        return _into_lightning(logger, name, figure, step)
    if kind == "mlflow":
        logger.log_figure(figure, _file(name, step))
    elif kind == "wandb":
        logger.log({name: _wandb_image(figure)}, step=step)
    else:
        logger.add_figure(name, figure, global_step=step, close=False)
    return True


def _into_lightning(logger: Any, name: str, figure: Figure, step: int | None) -> bool:
    """Log through the object of the logger: a SummaryWriter, a W&B run, an MLflow client."""
    written: Any = getattr(logger, "experiment", None)
    if hasattr(logger, "log_image"):
        logger.log_image(name, [_picture(figure)], step=step)
    elif hasattr(written, "add_figure"):
        written.add_figure(name, figure, global_step=step, close=False)
    elif hasattr(written, "log_figure") and hasattr(logger, "run_id"):
        written.log_figure(logger.run_id, figure, _file(name, step))
    else:
        return False
    return True


def _kind(logger: Any) -> str:
    if hasattr(logger, "add_scalar") and hasattr(logger, "add_figure"):
        return "tensorboard"
    if hasattr(logger, "log_figure") and hasattr(logger, "log_metrics") and hasattr(logger, "active_run"):
        return "mlflow"
    if hasattr(logger, "log_metrics"):
        return "lightning"
    if type(logger).__module__.startswith("wandb"):
        return "wandb"
    cure = "give a logger of Lightning, a SummaryWriter, a W&B run, or the module mlflow"
    if isinstance(logger, str | PathLike):
        cure += ", such as CSVLogger(folder) of lightning.pytorch.loggers; results.write writes a file"
        raise usage_error("LOGGER", f"{str(logger)!r} is a path, and a logger is needed", fix=cure)
    raise usage_error("LOGGER", f"{type(logger).__name__} is not a known logger", fix=cure)


def _scores(results: Results) -> dict[str, float]:
    """Pooled scores by name, and those of bins as ``bin-3-lesion/NAME``."""
    values = {name: score.value for name, score in results.pooled.items()}
    for cell in results.generation:
        if cell.z_bin is not None and cell.pathology is not None:
            place = cell.name.replace(" ", "-")
            values |= {f"{place}/{name}": score.value for name, score in cell.scores.items()}
    return {name: value for name, value in values.items() if value is not None}


def _curves(results: Results) -> dict[str, Figure]:
    """Curves along the bins of the scores that a table shows first."""
    from matplotlib.figure import Figure

    shown = {spec.name for spec in results.specs if spec.place == "compact"}
    by_bin = {name for cell in results.cells() for name in cell.scores}
    names = [name for name, score in results.pooled.items() if score.spec in shown and name in by_bin]
    figures = {}
    for name in names:
        figure = Figure(layout="constrained")
        results.plot(name, figure.subplots())
        figures[name] = figure
    return figures


def _picture(figure: Figure) -> Any:
    from PIL import Image

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return Image.open(stream)


def _wandb_image(figure: Figure) -> Any:
    from wandb import Image  # type: ignore[import-not-found]  # whoever gives a run of it has it

    return Image(_picture(figure))


def _file(name: str, step: int | None) -> str:
    return f"{name}.png" if step is None else f"{name}-{step:08d}.png"
