"""Operations that flatten the batch too, because no axis is stated."""

import keras
import pytest

import pruning

L = keras.layers


@pytest.mark.parametrize("joined", [keras.ops.cumsum, keras.ops.nancumsum, lambda x: keras.ops.append(x, x)])
def test_what_has_no_axis_is_kept_whole(joined):
    source = keras.Input((3,), batch_size=2)
    x = joined(L.Dense(4, name="before")(source))
    graph = pruning.ChannelGraph(keras.Model(source, keras.ops.sum(x)))
    assert graph.group_of("before").locked
