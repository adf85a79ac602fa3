"""The texts of a card that do not depend on measurements."""

from __future__ import annotations

from release import classical, peers

PURPOSE = {
  'denoise': """\
Removes white Gaussian noise from colour photographs, from {start} to {end}; one
number sets the strength. {size} Do not use it for noise that a camera's
processing has smoothed (see the end of this card), for noise below {start}, for
text or drawings, or for images that someone's health or rights depend on.
""",
  'dejpeg': """\
Removes the artefacts of JPEG compression from photographs, from quality
{start_level} to {end_level}; one number sets the strength. {size} It restores
luma alone: colour stays as it is in the file. Do not use it for text, drawings
and screenshots, or for images that someone's health or rights depend on.
""",
  'sr': """\
Enlarges photographs by any scale from {start} to {end}. {size} It does not
invent detail, so results stay soft. It undoes bicubic reduction alone: noise,
blur and compression artefacts of the image are still there, only larger. Do not
use it for text, or for images that someone's health or rights depend on.
""",
}

SMALL = (
  'The model is small, so that it runs and trains on a CPU; larger ones are'
  ' better.'
)
LARGE = (
  "The network has the paper's size; smaller and faster ones are in `adafm"
  ' models`.'
)

# Remarks on a set, by task and set.
NOTES = {
  ('dejpeg', 'set5'): (
    'The image "woman" comes from a JPEG file. Saving it again at quality 80'
    ' loses almost nothing (50.1 dB), so restoring it can only harm it.'
  ),
}

OWN_GRAIN = """\
A photograph may have grain of its own: `adafm restore --dry-run` reads sigma
5.6 in the clean baboon of Set14, 3.0 in its pepper and 2.4 in its lenna. It
goes with the noise, and counts as an error, which is why such images lose at
sigma 2; they lose with FFDNet too.
"""

FADED = """\
The model has not learnt levels cleaner than {start}. There, as in `adafm
restore`, its result at lambda 0 is faded into the image itself, see
[restore.md](../restore.md).
"""

USAGE = {
  'denoise': """\
```bash
adafm restore -i photos/ -o restored/ -m {name}  # level estimated
```

```python
import adafm_jax

model = adafm_jax.load_model('{name}')
restored = model.restore(image, level={middle:g})  # sigma; or strength=0.4
```

`image` is uint8, uint16 or float, [H, W], [H, W, 1] or [H, W, 3]. A grey image
is restored as three equal channels, see [restore.md](../restore.md).
""",
  'dejpeg': """\
```bash
adafm restore -i photos/ -o restored/ -m {name}  # quality estimated
```

```python
import adafm_jax

model = adafm_jax.load_model('{name}')
restored = model.restore(image, level={middle:g})  # quality; or strength=0.4
```

`image` is uint8, uint16 or float, [H, W], [H, W, 1] or [H, W, 3], decoded and
not cropped, see [restore.md](../restore.md).
""",
  'sr': """\
```bash
adafm restore -i photos/ -o enlarged/ -m {name} --level 3.5  # the scale
```

```python
import adafm_jax

model = adafm_jax.load_model('{name}')
enlarged = model.restore(image, level=3.5)  # 3.5 times as wide and high
```

`image` is uint8, uint16 or float, [H, W], [H, W, 1] or [H, W, 3], at its
original size: the model enlarges it itself.
""",
}

# By the name of the training folder.
DATA_NOTES = {
  'BSD431': (
    'images of the Berkeley segmentation data set (BSDS500 without CBSD68, and'
    ' without the image that Set5 has a crop of), which is for non-commercial'
    ' research and education; the originals were JPEG files of quality 95'
  )
}

SETS = {
  'cbsd68': 'CBSD68',
  'live1': 'LIVE1',
  'set5': 'Set5',
  'set14': 'Set14',
  'kodak24': 'Kodak24',
  'heldout': 'Held-out training images',
}

CAMERA = """\
The model was trained on white noise: independent in every pixel and channel,
and equally strong everywhere. Camera noise is stronger in bright parts, and
demosaicing, smoothing, resizing and JPEG spread it over neighbouring pixels: it
becomes grain. A denoiser takes a pattern wider than a pixel for part of the
picture.
"""

# How the degradations of published results differ from ours.
PROTOCOL_NOTES = {
  'denoise': (
    'The authors crop images to even sizes; we use whole images. Every paper'
    ' draws its noise with another seed.'
  ),
  'dejpeg': (
    'Papers compress with MATLAB, we compress with libjpeg and the same tables;'
    " the input's PSNR shows the difference."
  ),
  'sr': (
    "Images are reduced with a reimplementation of MATLAB's imresize; the PSNR"
    ' of the bicubic input shows that it agrees.'
  ),
}

# Below the published numbers.
WHY = (
  'The model has {millions:.2f} M parameters and was trained on a few small'
  ' patches per step ({steps}). Most networks in the papers are larger, and all'
  ' were trained on GPUs for far longer.'
)


def set_title(name: str) -> str:
  """Name of a set of images on cards."""
  return SETS.get(name, name)


def method_titles(task: str, default: str, both: bool) -> dict[str, str]:
  """Names of the methods in tables.

  Args:
    task: of the model.
    default: 'line' or 'bent', the path that `adafm restore` uses.
    both: whether the model has a bent path.
  """
  paths = {'line': 'the model', 'bent': 'the model'}
  if both:
    paths = {'line': 'straight path', 'bent': 'bent path'}
    paths[default] += ' (default)'
  return {
    'input': 'bicubic (the input)' if task == 'sr' else 'input',
    'classical': classical.TITLES[task],
    'peer': peers.TITLES[task],
    **paths,
    'dedicated': 'dedicated network',
  }
