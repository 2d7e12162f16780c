"""model.start: a whole detector of another code, or of other classes, to begin from."""

import h5py
import numpy as np
import pytest

from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.maskrcnn.maskrcnn_settings import ModelSettings
from maskrcnn import MaskRCNNConfig


def test_numerics_are_spelt_out_and_what_is_given_wins():
    settings = ModelSettings.model_validate({"numerics": "matterport", "backbone": "resnet50", "max_size": 1280})
    assert (settings.conv_bias, settings.anchor_ratios, settings.roi_corners) == (True, (2.0, 1.0, 0.5), True)
    assert (settings.backbone, settings.max_size, settings.min_size) == ("resnet50", 1280, 800)
    assert ModelSettings.model_validate(settings.model_dump()) == settings
    fields = settings.model_dump(exclude={"numerics", "start", "start_classes"})
    wanted = MaskRCNNConfig.matterport(("cat",), backbone="resnet50", max_size=1280)
    assert MaskRCNNConfig(class_names=("cat",), **fields) == wanted
    assert "numerics" not in ModelSettings().changed()


@pytest.mark.parametrize("classes", ["auto", "load"])
def test_a_matterport_file_is_begun_from(tmp_path, tiny, classes):
    path, bias = tmp_path / "old.h5", np.arange(4, dtype="float32")
    settings = {"numerics": "matterport", "start": str(path), "start_classes": classes, "backbone": "resnet50",
                "backbone_alpha": 0.0625}  # fmt: skip
    problem = open_problem(tiny(model=settings))
    config = problem.config(0)
    assert config.head_norm and config.num_classes == 4
    with h5py.File(path, "w") as file:
        file["fpn_c2p2/fpn_c2p2/bias:0"] = np.full(config.fpn_width, 0.5, "float32")
        file["mrcnn_class_logits/mrcnn_class_logits/bias:0"] = bias
    with pytest.warns(UserWarning, match=r"old.h5' has no weights for \d+ of the network's.*stem_conv/kernel"):
        network = problem.model(0).network
    assert (network.get_layer("features").get_layer("fpn_lateral2").bias.numpy() == 0.5).all()
    found = network.get_layer("box_head").get_layer("mrcnn_class_logits").bias.numpy()
    np.testing.assert_array_equal(found, bias if classes == "load" else np.zeros(4))


def test_a_file_that_cannot_be_begun_from_is_a_users_error(tmp_path, tiny):
    path = tmp_path / "old.h5"
    path.write_text("nothing")
    with pytest.raises(UserError, match=r"model.start = .*old.h5.*cannot be read as an HDF5 file"):
        open_problem(tiny(model={"start": str(path)})).model(0)
