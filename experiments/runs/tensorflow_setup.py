"""TensorFlow without its start-up chatter, with a recipe's threads, giving the same figures every time.

Import this module before anything that imports TensorFlow.
"""

from __future__ import annotations

import gc
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _import_quietly() -> None:
    """Some lines come from C++ before any log level is read, so the file descriptor itself is turned away."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


if "tensorflow" not in sys.modules:
    _import_quietly()
    gc.freeze()  # its hundreds of thousands of objects stay: every later search for garbage is spared them


def prepare(threads: int) -> None:
    """Set the number of threads, and have the same threads give the same figures; before any computation.

    Args:
        threads: that one operation may use; 0: one for every core.
    """
    import tensorflow as tf

    # Grappler turns the sum of a gradient's parts into one in order of their arrival, which costs the last digits.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # workers may share it
    if threads and tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
