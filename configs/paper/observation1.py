"""Observation 1 and Figure 3 (section 3.2): filters of two levels are alike.

Command:
  python -m adafm_jax.main --config configs/paper/observation1.py \
    --workdir DIR --config.preset=small \
    --config.data.train=/path/to/BSD431 \
    --config.evaluate.sets=cbsd68=/path/to/CBSD68

ARCNN learns sigma 15 on luma, and all of its weights then sigma 50. A depthwise
filter behind each conv of the first network is fitted by least squares to the
convs of the second; the PSNR at sigma 50 shows what each size leaves. The paper
gives a mean cosine distance of 0.12 between the first filters of the two.
"""

from adafm_jax.paper.variation import Variation


def _arcnn(system, **fields):
  return Variation(
    task='denoise', channels=1, system=system, start=15, **fields
  )


def get_variations():
  return [
    _arcnn('arcnn', levels=(50,)),
    _arcnn('arcnn_further', end=50),
    *(_arcnn('arcnn_fit', end=50, kernel=kernel) for kernel in (1, 3, 5)),
  ]
