"""Files whose content was not fetched: links and pointers of git-annex and DataLad, pointers of Git LFS."""

from __future__ import annotations

from pathlib import Path

from jsddpm.errors import JsddpmError

POINTER_BYTES = 32
"""The first bytes of a file that tell a pointer."""
_ANNEX = (b"/ann", b"../.")
_LFS = b"version https://git-lfs"
ANNEX_CURE = "fetch it (git annex get, or datalad get)"


def not_fetched(path: Path, start: bytes = b"") -> JsddpmError | None:
    """The problem of a file without content, or None.

    Args:
        path: The file.
        start: Its first :data:`POINTER_BYTES` bytes, if it can be read.

    Returns:
        ``NIFTI_NOT_PRESENT`` (status 3) with the command that fetches the content.

    >>> print(not_fetched(Path("a.nii"), b"version https://git-lfs.github.com/spec/v1").fix)
    fetch it (git lfs pull)
    """
    what, cure = "", ANNEX_CURE
    if path.is_symlink() and not path.exists():
        what = "the link points to content that was not fetched"
    elif start.startswith(_ANNEX):
        what = "is a git-annex pointer instead of an image"
    elif start.startswith(_LFS):
        what, cure = "is a Git LFS pointer instead of an image", "fetch it (git lfs pull)"
    return JsddpmError("NIFTI_NOT_PRESENT", what, fix=cure, file=path) if what else None
