from .binning import Condition as Condition
from .binning import ZBinning as ZBinning
from .binning import compute_class_token as compute_class_token
from .cohort.preprocess import Preprocessing as Preprocessing
from .cohort.sources import read_cohort as read_cohort
from .config import load_config as load_config
from .diffusion.generate import generate_store as generate_store
from .diffusion.pipeline import JointPipeline as JointPipeline
from .errors import JsddpmError as JsddpmError
from .exports.dataset import export_stores as export_stores
from .quantization import quantize_z_global as quantize_z_global
from .quantization import quantize_z_local as quantize_z_local
from .slices.build import build_slice_cache as build_slice_cache
from .slices.dataset import SliceDataset as SliceDataset
from .slices.imported import import_slices as import_slices
from .slices.store import SliceStore as SliceStore
from .training.export import export_checkpoint as export_checkpoint
from .training.run import train as train

__version__: str
