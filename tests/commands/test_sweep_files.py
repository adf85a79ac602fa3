"""What a sweep keeps of a file, and the files that it leaves alone."""

import numpy as np
import sweeping
from PIL import Image, ImageCms


def test_a_bad_image_does_not_stop_the_others(swept, tmp_path, capsys):
  root, _, _ = swept
  sweeping.write(tmp_path / 'in' / 'good.png', sweeping.pixels((12, 14, 3)))
  (tmp_path / 'in' / 'bad.png').write_bytes(b'no image')
  raw = (root / 'images' / 'a.png').read_bytes()
  (tmp_path / 'in' / 'cut.png').write_bytes(raw[: len(raw) // 2])
  out = tmp_path / 'out'
  model = root / 'model.safetensors'
  assert sweeping.run(model, tmp_path / 'in', out, '--lambdas', '0,1') == 1
  assert {p.name for p in out.iterdir()} == {
    'good_coef_0.00.png',
    'good_coef_1.00.png',
    'contact_sheet.png',
  }
  errors = capsys.readouterr().err
  assert 'error: Cannot read the image' in errors
  assert 'bad.png' in errors
  assert 'cut.png' in errors


def test_alpha_profile_and_texts_are_kept(swept, tmp_path):
  root, model, _ = swept
  pixels, alpha = (
    sweeping.pixels((13, 18, 3)),
    np.full((13, 18, 1), 255, np.uint8),
  )
  alpha[:4], alpha[4:8] = 0, 128
  icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
  exif = Image.Exif()
  exif[0x013B] = 'Zoe'
  image = Image.fromarray(np.concatenate([pixels, alpha], axis=-1))
  (tmp_path / 'in').mkdir()
  image.save(tmp_path / 'in' / 'a.png', icc_profile=icc, exif=exif)
  out = tmp_path / 'out'
  model_file = root / 'model.safetensors'
  assert sweeping.run(model_file, tmp_path / 'in', out, '--lambdas', '0,1') == 0
  # What is hidden is neither seen by the network nor changed.
  seen = (pixels / 255.0 * (alpha / 255.0)).astype(np.float32)
  restored = sweeping.separately(model, seen, 1.0)
  share = np.maximum(alpha / 255.0, 1e-6)
  wanted = np.rint(np.clip(np.clip(restored, 0, 1) / share, 0, 1) * 255)
  with Image.open(out / 'a_coef_1.00.png') as result:
    found = np.asarray(result).astype(int)
    assert result.info['icc_profile'] == icc
    assert result.getexif()[0x013B] == 'Zoe'
  np.testing.assert_array_equal(found[..., 3:], alpha)
  np.testing.assert_array_equal(found[:4, :, :3], pixels[:4])
  assert np.abs(found[4:, :, :3] - wanted[4:]).max() <= 1


def test_further_frames_and_what_is_lost_are_reported(swept, tmp_path, capsys):
  root, _, _ = swept
  first = Image.fromarray(sweeping.pixels((13, 18, 3)))
  more = [Image.fromarray(sweeping.pixels((13, 18, 3), seed=1))]
  (tmp_path / 'in').mkdir()
  first.save(tmp_path / 'in' / 'film.png', save_all=True, append_images=more)
  first.save(
    tmp_path / 'in' / 'two.jpg', 'MPO', save_all=True, append_images=more
  )
  out = tmp_path / 'out'
  model = root / 'model.safetensors'
  assert sweeping.run(model, tmp_path / 'in', out, '--lambdas', '1') == 1
  printed = capsys.readouterr()
  assert 'film.png: it is animated, with 2 frames' in printed.err
  assert 'two.jpg: Of the 2 pictures in the file' in printed.out
  assert {p.name for p in out.iterdir()} == {
    'two_coef_1.00.png', 'contact_sheet.png'
  }  # fmt: skip


def test_a_result_is_marked_before_it_gets_its_name(swept, tmp_path, renamed):
  images = swept[0] / 'images'
  more = '--lambdas', '1', '--references', images
  assert (
    sweeping.run(swept[0] / 'model.safetensors', images, tmp_path, *more) == 0
  )
  assert set(renamed) == {x.name for x in tmp_path.iterdir()}
  assert len(renamed) > 3
  assert all(renamed.values())


def test_nothing_of_the_user_s_is_overwritten(swept, tmp_path, capsys):
  root, _, _ = swept
  given = root / 'model.safetensors', root / 'images', tmp_path
  strengths = '--lambdas', '0,1'
  for name in ('contact_sheet.png', 'a_coef_1.00.png'):
    (tmp_path / name).write_text('mine')
    assert sweeping.run(*given, *strengths) == 2
    assert f'{name} exists' in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == 'mine'
    (tmp_path / name).unlink()
  # Those of an earlier sweep are replaced, as long as they are as it left them.
  referred = (*strengths, '--references', root / 'images')
  assert sweeping.run(*given, *referred) == sweeping.run(*given, *referred) == 0
  (tmp_path / 'psnr.csv').write_text('mine')
  assert sweeping.run(*given, *strengths) == 0
  assert sweeping.run(*given, *referred) == 2
  assert (tmp_path / 'psnr.csv').read_text() == 'mine'
  assert sweeping.run(*given, *referred, '--overwrite') == 0
  assert (tmp_path / 'psnr.csv').read_text().startswith('image,')


def test_where_no_marks_are_kept_that_is_said(
  swept, tmp_path, capsys, no_marks
):
  given = swept[0] / 'model.safetensors', swept[0] / 'images', tmp_path
  more = '--lambdas', '1'
  assert sweeping.run(*given, *more) == 0
  capsys.readouterr()
  assert sweeping.run(*given, *more) == 2
  said = capsys.readouterr().err
  assert 'contact_sheet.png exists' in said
  assert 'keeps no marks' in said
  assert 'no earlier sweep' not in said
  assert sweeping.run(*given, *more, '--overwrite') == 0
