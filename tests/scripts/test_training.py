import numpy as np
import pandas as pd
import pytest

from building import dataset, model, prepare, results_folder
from command import UserError
from dense import Dense
from progress import Work
from training import EveryBatch, stream


class Stop(Exception):
    pass


def trained(recipe, stop_after=None):
    """The dense model's weights after training; stopped by force after so many updates if asked."""

    class Stopping(Work):
        def did(self, *args):
            super().did(*args)
            self.count = getattr(self, "count", 0) + 1
            if self.count == stop_after:
                raise Stop

    prepare(recipe)
    pictures, dense = dataset(recipe.data, "train"), Dense(recipe, results_folder(recipe))
    network = model(recipe, pictures.class_names)
    dense.train(network, pictures, Stopping({}))
    return network.get_weights(), [variable.numpy() for variable in network.optimizer.variables]


def test_training_resumes_exactly(tiny):
    changes = {"training": {"steps": 5, "checkpoint_every": 2, "augment": "flip"}}
    unbroken, broken = tiny(**changes), tiny(**changes)
    weights, moments = trained(unbroken)
    with pytest.raises(Stop):
        trained(broken, stop_after=3)
    folder = results_folder(broken)
    assert (folder / "dense-checkpoint.keras").exists()
    again, moments_again = trained(broken)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(weights, again, strict=True))
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(moments, moments_again, strict=True))
    assert not (folder / "dense-checkpoint.keras").exists()
    histories = [pd.read_csv(results_folder(recipe) / "history.csv") for recipe in (unbroken, broken)]
    assert histories[0]["step"].tolist() == [2, 4, 5]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)


def test_a_stream_that_starts_late_goes_on_as_the_whole_one_would(tiny):
    recipe = tiny(data={"train_count": 12})
    pictures = dataset(recipe.data, "train")
    config = model(recipe, pictures.class_names).config
    whole = list(stream(pictures, config, 4, seed=0).take(7).as_numpy_iterator())
    late = list(stream(pictures, config, 4, seed=0, first_step=4).take(3).as_numpy_iterator())
    assert all((a["image"] == b["image"]).all() for a, b in zip(whole[4:], late, strict=True))
    assert not (whole[0]["image"] == whole[3]["image"]).all()  # another pass has another order


def test_a_loss_that_is_no_number_stops_training(tiny):
    recipe = tiny()
    callback = EveryBatch(lambda logs: None)
    callback.set_model(model(recipe, ("one",)))
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(UserError, match="diverged; lower the learning rate"):
        callback.on_train_batch_end(0, {"loss": float("nan")})
