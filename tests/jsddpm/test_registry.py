"""One new file is one new sampler or embedding: for the configuration, the command line and the pipeline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jsddpm
from jsddpm.registry import EMBEDDINGS, PRESETS, SAMPLERS
from jsddpm.training.progress import last_checkpoint

ROOT = Path(jsddpm.__file__).parent
FILES = {
    "diffusion/samplers/halfway.py": '''"""A sampler of another author."""
from jsddpm.diffusion.samplers.ddim import SAMPLER
''',
    "diffusion/embeddings/again.py": '''"""An embedding of another author."""
from jsddpm.diffusion.embeddings.token import EMBEDDING
''',
    "presets/mine.yaml": "sampling: {sampler: halfway}\nmodel: {condition_embedding: again}\n",
}


@pytest.mark.parametrize(
    ("registry", "folder"),
    [(SAMPLERS, "diffusion/samplers"), (EMBEDDINGS, "diffusion/embeddings"), (PRESETS, "presets")],
)
def test_names_are_the_files(registry, folder):
    files = {p.stem for p in (ROOT / folder).glob(f"*{registry.suffix}")} - {"__init__"}
    assert set(registry.names()) == files
    assert len(files) >= 3


@pytest.mark.long
def test_one_new_file_is_found_everywhere(run, tmp_path):
    shutil.copytree(ROOT, tmp_path / "jsddpm", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (tmp_path / "jsddpm" / name).write_text(text)
    code = f"""
from jsddpm.config import RunConfig, load_config
from jsddpm.keys import document_keys
config = load_config("mine")
print(config.sampling.sampler, config.model.condition_embedding)
assert "halfway: A sampler of another author" in document_keys(RunConfig)
from jsddpm.binning import ZBinning
from jsddpm.diffusion.conditioning import load_embedding
print(type(load_embedding("again")(ZBinning((0, 9), 3), 4)).__name__)
from jsddpm.diffusion.pipeline import JointPipeline
pipe = JointPipeline.from_checkpoint({str(last_checkpoint(run))!r})
print(pipe([(1, 0)], num_per_condition=1, sampler="halfway").images.shape)
from typer.testing import CliRunner
from jsddpm_cli.app import app
print("halfway" in CliRunner().invoke(app, ["sample", "--help"]).stdout)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert found.stdout.split("\n")[:4] == ["halfway again", "TokenEmbedding", "(1, 32, 24)", "True"], found.stderr


def test_names_are_found_without_importing_torch():
    code = "import sys, jsddpm.config; print('torch' in sys.modules, 'diffusers' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
