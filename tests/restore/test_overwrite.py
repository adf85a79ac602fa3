import pytest

from adafm_jax.errors import UserError
from adafm_jax.restore import overwrite, own


def test_the_first_file_that_nobody_gave_up_is_named(tmp_path):
  own_file, first, second, new = (tmp_path / x for x in 'abcd')
  for path in (own_file, first, second):
    path.write_text('theirs')
  own.mark(own_file)
  paths = [new, own_file, first, second]
  with pytest.raises(UserError) as caught:
    overwrite.refuse(paths, replace=False, earlier='build', other='folder')
  assert str(caught.value) == (
    f'{first} exists, and no earlier build wrote it as it is; give --overwrite'
    ' or another folder.'
  )
  overwrite.refuse(paths, replace=True)
  overwrite.refuse([new, own_file], replace=False)
  own_file.write_text('edited')
  with pytest.raises(UserError, match=r'a exists.* another --output'):
    overwrite.refuse([own_file], replace=False)


@pytest.mark.parametrize('replace', [False, True])
def test_a_folder_is_never_replaced(tmp_path, replace):
  with pytest.raises(UserError, match='is a folder; give another file name'):
    overwrite.refuse([tmp_path], replace=replace, other='file name')
