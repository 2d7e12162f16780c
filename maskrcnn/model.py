"""Mask R-CNN as a keras.Model: it trains with `fit` and detects with `detect`."""

from __future__ import annotations

import keras
import tensorflow as tf

from maskrcnn import losses as loss_ops
from maskrcnn.config import MaskRCNNConfig
from maskrcnn.detection.inference import Inference, detect_all
from maskrcnn.network import build_network, leaf_layers, training_only
from maskrcnn.network.forward import Forward
from maskrcnn.task_losses import task_losses
from maskrcnn.training import fit_inputs
from maskrcnn.training.compile_options import batch_counter, check_loss_weights, check_options, optimizer_for
from maskrcnn.training.replicas import never_empty, replica_count, share_of
from maskrcnn.training.sampled_answers import training_answers


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

    TASK_LOSSES = loss_ops.TASK_LOSSES

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
        self._class_weight = None  # of the current call of `fit`, by label
        self._compiled_for = None  # names of the layers that train in the compiled step, and its class weights
        self.built = True

    # Training

    def compile(self, optimizer="sgd", loss_weights=None, **kwargs):
        """Like keras.Model.compile; the losses are Mask R-CNN's own.

        Honoured: `steps_per_execution`, `run_eagerly`, `jit_compile`, mixed precision (under mixed_float16 the loss is
        scaled) and the optimizer's `gradient_accumulation_steps` (each of the batches has samples of its own). Under
        tf.distribute.MirroredStrategy losses and gradients are those of one device at the same whole batch, but for
        clipping and for batch norm that trains: each replica does both by itself.

        Args:
            optimizer: a Keras optimizer or its name.
            loss_weights: {name: weight} of some of the five losses, assigned to `model.loss_weights`; what is not named
                stays as it is there.
            kwargs: of keras.Model.compile.

        Raises:
            ValueError: `loss`, `metrics` or `weighted_metrics` are given, a loss is not one of the five, XLA is asked
                for with `mask_target_sampling_ratio=0`, or gradients are to be accumulated on several replicas.
        """
        check_options(kwargs, self.config)
        weights = {} if loss_weights is None else check_loss_weights(loss_weights)
        optimizer = optimizer_for(self, optimizer, self.distribute_strategy.num_replicas_in_sync)
        self.supports_jit = kwargs.get("jit_compile") is True  # only where it is asked for: empty slots cost time
        super().compile(optimizer=optimizer, **kwargs)
        for name, weight in weights.items():
            self.loss_weights[name].assign(weight)

    def fit(
        self, x=None, *args, batch_size=None, validation_data=None, augment="none", train="all", class_weight=None,
        **kwargs,
    ):  # fmt: skip
        """Like keras.Model.fit; `x` and `validation_data` may also be a `maskrcnn.data` dataset.

        Args:
            x: a maskrcnn.data Dataset, or a tf.data.Dataset of training batches.
            batch_size: of a Dataset; 2 if None. Under a strategy that of all replicas together.
            validation_data: likewise. The same weights always have the same losses on it.
            augment: of a Dataset, see `maskrcnn.data.batches`.
            train: "heads", "3+", "4+", "5+" or "all": what trains in this call, of that which trains otherwise. "heads"
                is all but the backbone, "4+" also the backbone's stages from the fourth on, at stride 16.
            class_weight: {label: weight} of regions in the class loss of training, 0 for background, classes from 1 on.

        Returns:
            keras.callbacks.History, with "loss" and the five losses.

        Raises:
            ValueError: the data's classes are not the model's, a label is none, or `sample_weight` is given.
            DataError: a picture cannot be read; the model keeps the weights of the updates before.
            DivergedError: a loss is no number; the model has its last good weights, see callbacks.KeepLastGood.
        """
        fit_inputs.refuse_sample_weight(kwargs.get("sample_weight"))
        self._class_weight = fit_inputs.check_class_weight(class_weight, self.config.class_names)
        size = batch_size or 2
        held_out = fit_inputs.held_out_batches(self, validation_data, kwargs.pop("validation_batch_size", None) or size)
        kwargs.setdefault("shuffle", False)  # the dataset has shuffled already
        kwargs["callbacks"] = fit_inputs.with_guard(kwargs.get("callbacks"))
        if self.compiled:
            x = fit_inputs.watched(fit_inputs.training_batches(self, x, size, augment), kwargs["callbacks"])
            fit_inputs.build_optimizer(self, self.trainable_variables)
        with training_only(self.network, train), fit_inputs.reader_errors(self):
            self._compile_again_where_others_train()
            return super().fit(x, *args, validation_data=held_out, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Like keras.Model.evaluate: the losses; `x` may also be a maskrcnn.data Dataset, `batch_size` 2 if None.

        The same weights always have the same losses: samples are drawn by each picture's boxes, not by the step. For AP
        and each task's measures see `maskrcnn.evaluate`. Raises as `fit` does.
        """
        fit_inputs.refuse_sample_weight(kwargs.get("sample_weight"))
        if fit_inputs.is_dataset(x):
            x, batch_size = fit_inputs.held_out_batches(self, x, batch_size or 2), None
        with fit_inputs.reader_errors(self):
            return super().evaluate(x, y, batch_size, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", **kwargs):
        """Find the objects of a maskrcnn.data Dataset or of a list of pictures; anything else as keras.Model.predict.

        Args:
            x: a Dataset, or a list of pictures as in `detect`.
            batch_size: pictures that go through the network together; 4 if None.
            verbose: 0: no progress bar.

        Returns:
            A list of Detections.
        """
        if fit_inputs.is_dataset(x) or isinstance(x, list):
            return detect_all(self, x, batch_size or 4, verbose)
        return super().predict(x, batch_size, verbose, **kwargs)

    def _compile_again_where_others_train(self):
        """A compiled step keeps updating the layers, and weighing the classes, of when it was first called."""
        training = frozenset(layer.name for layer in leaf_layers(self.network) if layer.trainable)
        if (training, self._class_weight) != self._compiled_for:
            self.train_function, self._compiled_for = None, (training, self._class_weight)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: all is built. To find shapes Keras sums the replicas' batches, which may differ in size."""

    @property
    def step(self):
        """Training batches met so far: what the samplers of training draw from."""
        optimizer = getattr(self, "optimizer", None)
        return tf.constant(0) if optimizer is None else tf.cast(batch_counter(optimizer).value, tf.int32)

    def call(self, inputs, training=False, static_shapes=False):
        """With objects in `inputs` (a training batch): the answers beside their targets. Without: detections.

        Args:
            inputs: a dict; `image` and `image_size`, and for training the other keys of a batch.
            training: whether batch norm trains; also, samples are then drawn anew at each step.
            static_shapes: fix every shape, which XLA and other runtimes ask for, at the cost of work on empty slots.
                Call it on shapes that are known, in `tf.function(..., jit_compile=True)`.
        """
        with_objects = "boxes" in inputs
        if (share := share_of(inputs) if with_objects else None) is not None:
            inputs = never_empty(inputs)
        static_shapes = static_shapes or (with_objects and self.compiled and self.jit_compile)
        forward = Forward(self.network, self.config, inputs["image"], inputs["image_size"], training, static_shapes)
        if with_objects:
            return training_answers(forward, inputs, self.step if training else None, share=share)
        return self._inference.detections(forward)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of the five losses and the network's regularisers; each is tracked by its name.

        On several replicas each gives its part: the parts sum to the loss of the whole batch, as Keras sums gradients.
        """
        fit_inputs.refuse_sample_weight(sample_weight)
        values = loss_ops.all_losses(y_pred, self.config.huber_delta, self._class_weight if training else None)
        total = tf.add_n([self.loss_weights[name] * values[name] for name in loss_ops.NAMES])
        replicas = replica_count()
        if self.losses:
            total += tf.add_n(self.losses) / replicas
        for name, value in {"loss": total, **values}.items():
            self._loss_means[name].update_state(value * replicas)  # Keras logs the mean over replicas
        return total

    def task_losses(self, batch, seed=None):
        """Each task's own loss on a training batch, in inference mode of batch norm, for saliency and budgets.

        Not the losses of training: they are asked on true, jittered and background boxes, whatever the proposals.
        The same batch always gives the same. See `maskrcnn.task_losses.task_losses`.

        Args:
            batch: a training batch (maskrcnn.data.batching.batch).
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

    def export(
        self, filepath, format="tf_saved_model", image_size=None, max_detections=None, score_threshold=None,
        masks="picture", precision="float32", **kwargs,
    ):  # fmt: skip
        """Write the whole detector for another runtime: a uint8 picture in, its detections out (docs/export.md).

        Args:
            filepath: of the file, or of a SavedModel's folder; the format's ending is added where there is none.
            format: "tf_saved_model", "litert", "onnx" or "openvino".
            image_size, max_detections, score_threshold, masks, precision: see `export.export_choices.choose`.
            kwargs: of keras.Model.export.

        Returns:
            The path of the file or folder, which `maskrcnn.export.load` runs.

        Raises:
            ValueError: for a choice that cannot be, or an int8 file of a network that is not quantised.
            ImportError: a package is missing, which is named with the extra that has it.
        """
        from maskrcnn.export.export_choices import choose
        from maskrcnn.export.formats import write_file

        choices = choose(self.config, format, image_size, max_detections, score_threshold, masks, precision)
        return write_file(self, filepath, choices, **kwargs)

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {"name": self.name, "config": self.config.get_config(), "network": network}

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


def load(path) -> MaskRCNN:
    """Read a model that `model.save(path)` wrote: weights, config, network and compiled optimizer."""
    return keras.saving.load_model(path)
