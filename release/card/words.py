"""What a card says in words that no measurement changes."""

from __future__ import annotations

from release import classical

PURPOSE = {
  'denoise': """\
Removes white Gaussian noise from colour photographs, from {start} to {end}, the
strength chosen by one number. It is small, so that it runs and trains on a CPU:
it is not the best denoiser there is. It is not made for noise that a camera's
processing has smoothed (see the end of this card), nor for noise below {start},
text, drawings, or pictures that somebody's health or rights depend on.
""",
  'dejpeg': """\
Removes the artefacts of JPEG compression from photographs, from quality
{start_level} to {end_level}, the strength chosen by one number. It is small, so
that it runs and trains on a CPU: it is not the best there is. It restores luma
alone: colour stays as the file has it. It is not made for text, drawings and
screenshots, nor for pictures that somebody's health or rights depend on.
""",
  'sr': """\
Sharpens photographs that are enlarged, from {start} to {end}, any scale between
included. It is small, so that it runs and trains on a CPU: it is not the best
there is. It invents no detail, so that results stay soft; and it undoes bicubic
reduction alone: an image that is noisy, blurred or compressed comes out so,
only larger. It is not made for text, nor for pictures that somebody's health or
rights depend on.
""",
}

# What is known of a set, by task and set.
NOTES = {
  ('dejpeg', 'set5'): (
    'Its image "woman" comes from a JPEG file: at quality 80 it is saved again'
    ' almost without loss (50.1 dB), so that restoring it can only harm.'
  ),
}

USAGE = {
  'denoise': """\
```bash
adafm restore -i photos/ -o restored/ -m {name}  # level estimated
```

```python
import adafm_jax

model = adafm_jax.load_model('{name}')
restored = model.restore(image, level=32)  # sigma, of 255; or strength=0.4
```

`image` is uint8, uint16 or float, [H, W], [H, W, 1] or [H, W, 3]. A grey image
goes through as three equal channels, see [restore.md](../restore.md).
""",
  'dejpeg': """\
```bash
adafm restore -i photos/ -o restored/ -m {name}  # quality estimated
```

```python
import adafm_jax

model = adafm_jax.load_model('{name}')
restored = model.restore(image, level=30)  # JPEG quality; or strength=0.4
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

`image` is uint8, uint16 or float, [H, W], [H, W, 1] or [H, W, 3], as it is: the
bicubic enlargement that the network starts from is made inside.
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
The model has learnt from noise that is white: every pixel and channel for
itself, of the same strength everywhere. The noise of a camera is stronger in
bright parts, and demosaicing, smoothing, resizing and JPEG spread it over
neighbouring pixels: grain. A denoiser takes a pattern wider than a pixel for
the picture.
"""

# Beside a published number that comes from other degradations than ours.
PROTOCOL_NOTES = {
  'denoise': (
    'The authors crop images to even sizes; here they are whole. Noise is drawn'
    ' with another seed in every paper.'
  ),
  'dejpeg': (
    'Papers compress with MATLAB, here libjpeg does, with the same tables: the'
    ' input itself shows what that changes.'
  ),
  'sr': (
    "Reduction is MATLAB's imresize, reimplemented: the bicubic input itself"
    ' shows that it agrees.'
  ),
}

# Below the published numbers.
WHY = (
  'The model has {millions:.2f} M parameters, and was trained on a few small'
  ' patches a step ({steps}); most networks of the papers are larger, and all'
  ' were trained on GPUs for far longer.'
)


def set_title(name: str) -> str:
  """What a card calls a set of images."""
  return SETS.get(name, name)


def method_titles(task: str, default: str, both: bool) -> dict[str, str]:
  """What tables call each method.

  Args:
    task: of the model.
    default: 'line' or 'bent', the path it is used on.
    both: whether it has a bent one.
  """
  paths = {'line': 'the model', 'bent': 'the model'}
  if both:
    paths = {'line': 'straight path', 'bent': 'bent path'}
    paths[default] += ' (default)'
  return {
    'input': 'bicubic (the input)' if task == 'sr' else 'input',
    'classical': classical.TITLES[task],
    **paths,
    'dedicated': 'dedicated network',
  }
