"""16-bit weights make free running faster, and only those; the music stays the same."""

import pytest
import torch
from torch import Tensor, nn

from musevae.models import half
from musevae.models.decoders import LstmDecoder
from musevae.models.half import Product, packed
from musevae.models.outputs import Categorical

needs_packing = pytest.mark.skipif(
    torch.backends.quantized.engine not in half.ENGINES, reason="this CPU packs no 16-bit weights"
)


@pytest.fixture(autouse=True)
def all_sizes_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half, "LEAST_WEIGHTS", 1)


def weight(rows: int = 8, columns: int = 6) -> nn.Parameter:
    drawn = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))
    return nn.Parameter(drawn.half().float(), requires_grad=False)


@needs_packing
def test_product_with_packed_weights_is_the_product() -> None:
    w, x, bias = weight(), torch.randn(3, 6), torch.randn(3, 8)
    product, out = Product(w), torch.empty(3, 8)
    assert product.packed is not None
    product.add(x, bias, out)
    torch.testing.assert_close(out, bias + x @ w.T, atol=1e-6, rtol=1e-6)
    product.add(x, out, out)
    torch.testing.assert_close(out, bias + 2 * x @ w.T, atol=1e-6, rtol=1e-6)


@needs_packing
def test_weight_is_packed_once_while_it_stays_what_it_is() -> None:
    w = weight()
    first = packed(w)
    assert packed(w) is first
    w.data.mul_(2)  # behind the back of the version counter
    second = packed(w)
    assert second is not first
    w.detach().numpy()[3, 2] = 7
    assert packed(w) is not second
    w.data = w.data + 1e-5  # no 16-bit numbers any more
    assert packed(w) is None


@pytest.mark.parametrize("wide", [weight().data + 1e-5, weight().data.double(), torch.full((8, 6), 1e6)])
def test_weights_that_16_bits_would_change_are_left_alone(wide: Tensor) -> None:
    assert packed(wide) is None
    x = torch.randn(3, 6, dtype=wide.dtype)
    product, out = Product(wide), torch.empty(3, 8, dtype=wide.dtype)
    product.add(x, torch.zeros(3, 8, dtype=wide.dtype), out)
    torch.testing.assert_close(out, x @ wide.T)


def test_small_matrices_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half, "LEAST_WEIGHTS", 49)
    assert packed(weight()) is None


@needs_packing
@pytest.mark.parametrize("batch", [1, 8, 40])
def test_greedy_music_is_the_same_with_and_without_packing(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    decoder, z = LstmDecoder(Categorical(7), [32, 24], 4), torch.randn(batch, 4)
    for parameter in decoder.parameters():
        parameter.data = (parameter.data + 0.3 * torch.randn_like(parameter)).half().float()
    fast = decoder.decode(z, 24, temperature=0.0)
    monkeypatch.setattr(half, "LEAST_WEIGHTS", 1 << 40)
    half._packed.clear()
    assert torch.equal(decoder.decode(z, 24, temperature=0.0), fast)
