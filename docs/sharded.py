"""The gradient of a loss with the batch on all devices, and on one. See backends.md."""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import symlstm as sl

cell = sl.cell("lstm")
f = sl.lambdify(cell, backend="jax")
params = sl.random_parameters(cell, n=8, m=4, dtype="float32")
x = np.random.default_rng(0).standard_normal((20, 16, 4)).astype("float32")
loss = jax.jit(jax.value_and_grad(lambda params, x: (f(params, x)[0] ** 2).mean()))

mesh = Mesh(np.array(jax.devices()), ("batch",))
there = jax.device_put(x, NamedSharding(mesh, PartitionSpec(None, "batch")))
own = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))

value, slopes = loss(params, x)
again, sums = loss(own, there)
print(f"{mesh.size} devices, each with a batch of {there.addressable_shards[0].data.shape}")
print("the loss is that of one device:", np.allclose(again, value, rtol=1e-5))
same = [np.allclose(sums[name], slopes[name], rtol=1e-3, atol=1e-6) for name in params]
print("all gradients are those of one device:", all(same))
