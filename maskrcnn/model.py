"""Mask R-CNN as a keras.Model: it trains with `fit` and detects with `detect`."""

from __future__ import annotations

import keras
import tensorflow as tf

from maskrcnn import losses as loss_ops
from maskrcnn.config import MaskRCNNConfig
from maskrcnn.data.pipeline import batches
from maskrcnn.inference import Inference
from maskrcnn.network import build_network, leaf_layers, training_only
from maskrcnn.network.forward import Forward
from maskrcnn.task_losses import task_losses
from maskrcnn.training import training_answers


@keras.saving.register_keras_serializable("maskrcnn")
class MaskRCNN(keras.Model):
    """Mask R-CNN with a feature pyramid (He et al. 2017).

    Everything that has weights is `network`, one Functional model in four named parts; this class adds
    proposals, sampling, the losses and detection around it.

    ```python
    model = MaskRCNN(MaskRCNNConfig(class_names=("balloon",), backbone="mobilenet"))
    model.compile(keras.optimizers.SGD(0.005, momentum=0.9))
    model.fit(maskrcnn.data.load_via("balloon/train"), batch_size=2, epochs=10)
    found = model.detect(picture)
    ```

    Args:
        config: a MaskRCNNConfig.
        network: a network of the same parts to use instead of a new one, for example a pruned one, or one on a backbone
            of your own from `maskrcnn.build_network`.
    """

    def __init__(self, config: MaskRCNNConfig, network: keras.Model | None = None, **kwargs):
        # Boxes are in pixels, which do not fit into half precision; the parts have policies of their own.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.config = config
        self.network = build_network(config) if network is None else network
        self.supports_jit = False  # as it is, training has as many masks as there are positives: see `compile`
        self.loss_weights = {
            name: self.add_weight(shape=(), initializer="ones", trainable=False, name=f"weight_of_{name}")
            for name in loss_ops.NAMES
        }
        self._loss_means = {name: keras.metrics.Mean(name=name) for name in ("loss", *loss_ops.NAMES)}
        self._inference = Inference(self)
        self._export_shapes = False  # while `export` traces, the `static_shapes` it was given
        self._compiled_for = None  # names of the layers that train in the compiled step
        self.built = True

    # Training

    def compile(self, optimizer="sgd", **kwargs):
        """Like keras.Model.compile; the losses are Mask R-CNN's own. Scales the loss under mixed_float16."""
        if kwargs.get("loss") is not None:
            raise ValueError("MaskRCNN has its own five losses: weigh them by model.loss_weights[name].assign(...)")
        optimizer = keras.optimizers.get(optimizer)
        halved = any(layer.dtype_policy.name == "mixed_float16" for layer in leaf_layers(self.network))
        if halved and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        compiled = kwargs.get("jit_compile", "auto") is True
        if compiled and self.config.mask_target_sampling_ratio == 0:
            raise ValueError(
                "jit_compile=True: XLA needs shapes that do not depend on data, and with mask_target_sampling_ratio=0 "
                "(MaskRCNNConfig.torchvision) each region's mask is sampled as often as it is large; give the config "
                "mask_target_sampling_ratio=2, or leave jit_compile alone"
            )
        self.supports_jit = compiled  # only where it is asked for: work on empty slots costs time
        super().compile(optimizer=optimizer, **kwargs)

    def fit(self, x=None, *args, batch_size=None, validation_data=None, augment="none", train="all", **kwargs):
        """Like keras.Model.fit; `x` and `validation_data` may also be a `maskrcnn.data` dataset.

        Args:
            x: a maskrcnn.data Dataset, or a tf.data.Dataset of training batches.
            batch_size: of a Dataset; 2 if None.
            validation_data: likewise.
            augment: of a Dataset, see `maskrcnn.data.batches`.
            train: "heads", "3+", "4+", "5+" or "all": what trains in this call, of that which trains otherwise. "heads"
                is all but the backbone, "4+" also the backbone's stages from the fourth on, at stride 16.

        Returns:
            keras.callbacks.History, with "loss" and the five losses.
        """
        size = batch_size or 2
        if _is_dataset(x):
            steps = max(1, len(x) // size)
            x = batches(
                x, self.config, size, seed=self.config.seed, augment=augment,
                epoch=lambda: int(self.optimizer.iterations) // steps,
            )
        if _is_dataset(validation_data):
            validation_data = batches(validation_data, self.config, size, training=False)
        kwargs.setdefault("shuffle", False)  # the dataset has shuffled already
        whole = self.trainable_variables
        with training_only(self.network, train) as frozen:
            if frozen and self.compiled and not self.optimizer.built:
                self.optimizer.build(whole)  # it would know those of this call alone
            self._compile_again_where_others_train()
            return super().fit(x, *args, validation_data=validation_data, **kwargs)

    def _compile_again_where_others_train(self):
        """A compiled step keeps updating the layers that trained when it was first called."""
        training = frozenset(layer.name for layer in leaf_layers(self.network) if layer.trainable)
        if training != self._compiled_for:
            self.train_function, self._compiled_for = None, training

    @property
    def step(self):
        """Updates made so far: what the samplers draw from."""
        optimizer = getattr(self, "optimizer", None)
        return tf.constant(0) if optimizer is None else tf.cast(optimizer.iterations.value, tf.int32)

    def call(self, inputs, training=False, static_shapes=False):
        """With objects in `inputs` (a training batch): the answers beside their targets. Without: detections.

        Args:
            inputs: a dict; `image` and `image_size`, and for training the other keys of a batch.
            training: whether batch norm trains.
            static_shapes: fix every shape, which XLA and other runtimes ask for, at the cost of work on empty slots.
                Call it on shapes that are known, in `tf.function(..., jit_compile=True)`.
        """
        if "boxes" in inputs:
            static_shapes = static_shapes or (self.compiled and self.jit_compile)
        else:
            static_shapes = static_shapes or self._export_shapes
        forward = Forward(self.network, self.config, inputs["image"], inputs["image_size"], training, static_shapes)
        if "boxes" in inputs:
            return training_answers(forward, inputs, self.step)
        return self._inference.detections(forward)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of the five losses and the network's regularisers; each is tracked by its name."""
        values = loss_ops.all_losses(y_pred, self.config.huber_delta)
        total = tf.add_n([self.loss_weights[name] * values[name] for name in loss_ops.NAMES])
        if self.losses:
            total += tf.add_n(self.losses)
        for name, value in {"loss": total, **values}.items():
            self._loss_means[name].update_state(value)
        return total

    def task_losses(self, batch, seed=None):
        """Each task's own loss on a training batch, in inference mode of batch norm, for saliency and budgets.

        Not the losses of training: they are asked on true, jittered and background boxes, whatever the proposals.
        The same batch always gives the same. See `maskrcnn.task_losses.task_losses`.

        Args:
            batch: a training batch (maskrcnn.data.batch).
            seed: of the anchors and boxes that are drawn; the config's if None.

        Returns:
            {"proposal", "bbox", "class", "mask"} of differentiable float32 scalars, means over the pictures.
        """
        forward = Forward(self.network, self.config, batch["image"], batch["image_size"])
        return task_losses(forward, batch, self.config.seed if seed is None else seed)

    @property
    def metrics(self):
        return list(self._loss_means.values())

    # Detection

    def detect(self, image, score_threshold=None, max_detections=None, batch_size=4):
        """Find the objects of one picture, or of each of a list of pictures.

        Args:
            image: (H, W, 3) RGB, uint8 or float in [0, 1]; or a list of such, of any sizes.
            score_threshold: only scores above it; the config's `detection_min_score` if None.
            max_detections: at most; the config's `detections_per_image` if None.
            batch_size: of a list, pictures that are equally large after padding and go through the network together.

        Returns:
            Detections, best first, in pixels of the picture as given; or a list of them.

        Raises:
            ValueError: for a picture of another shape, type or range.
        """
        return self._inference.detect(image, score_threshold, max_detections, batch_size)

    def measure(self, images, boxes, mask_boxes):
        """All that evaluation needs, from one pass of the backbone. See `Inference.measure`."""
        return self._inference.measure(images, boxes, mask_boxes)

    # Saving

    def export(self, filepath, format="tf_saved_model", image_size=None, static_shapes=True, **kwargs):
        """Like keras.Model.export, of detection in padded pictures: what `call` answers without objects.

        Args:
            filepath, format: see keras.Model.export.
            image_size: (height, width) of the padded picture, multiples of the config's `size_divisor`; None: square,
                of `max_size`. One picture a call.
            static_shapes: fix every shape, as runtimes other than TensorFlow ask.
            kwargs: of keras.Model.export; an `input_signature` there replaces `image_size`.
        """
        divisor = self.config.size_divisor
        height, width = image_size or (-(-self.config.max_size // divisor) * divisor,) * 2
        if height % divisor or width % divisor:
            raise ValueError(f"image_size={image_size}: multiples of size_divisor={divisor} are needed")
        signature = {
            "image": keras.InputSpec(shape=(1, height, width, 3), dtype="float32"),
            "image_size": keras.InputSpec(shape=(1, 2), dtype="float32"),
        }
        kwargs.setdefault("input_signature", [signature])
        self._export_shapes = static_shapes
        try:
            return super().export(filepath, format=format, **kwargs)
        finally:
            self._export_shapes = False

    def get_config(self):
        return {
            "name": self.name,
            "config": self.config.get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
        }

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(MaskRCNNConfig(**config["config"]), network=network, name=config["name"])

    def compile_from_config(self, config):
        """Compile as the saved model was, its optimizer ready to receive the saved slots."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def input_shapes(self, image_size, rois: int, detections: int) -> dict:
        """Shapes of the network's inputs for one picture, for counting.

        Args:
            image_size: (height, width) of the padded picture.
            rois: regions that the box head reads; detections: that the mask head reads.
        """
        height, width = image_size
        return {"image": (1, height, width, 3), "rois": (1, rois, 4), "mask_rois": (1, detections, 4)}


def _is_dataset(x) -> bool:
    return hasattr(x, "class_names") and hasattr(x, "__getitem__")


def load(path) -> MaskRCNN:
    """Read a model that `model.save(path)` wrote: weights, config, network and compiled optimizer."""
    return keras.saving.load_model(path)
