"""Strict settings for every test: one place, on before JAX starts.

Warnings are errors (setup.cfg); types and ranks must agree without silent
promotion; eight CPU devices, so that the mesh tests run in the same process.
"""

import os
import signal

import jax
import matplotlib as mpl

# Also in the processes that tests start: they leave nothing in a user's cache.
os.environ['ADAFM_COMPILE_CACHE'] = 'off'
# A shell starts background jobs deaf to Ctrl-C, and their children with them:
# tests that send it would fail there.
signal.signal(signal.SIGINT, signal.default_int_handler)

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_dtype_promotion', 'strict')
jax.config.update('jax_numpy_rank_promotion', 'raise')
mpl.use('Agg')
