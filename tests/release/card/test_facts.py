"""What a card says of how a model was made."""

from release.card import facts


def test_copies_are_not_counted_as_images():
  data = {'train': 'BSD431'}
  whole = facts._data({'training_images': 400}, {'data': data})
  assert whole.startswith('BSD431: 400 images')
  data |= {'scales': '1,0.7,0.5'}
  text = facts._data({'training_images': 1200}, {'data': data})
  assert text == f'{whole}; and copies resized by 0.7 and 0.5'
  data |= {'vivid': 0.25}
  text = facts._data({'training_images': 1500}, {'data': data})
  assert text == (
    f'{whole}; and copies resized by 0.7 and 0.5; and 0.25 vivid copies of each'
  )
  data |= {'scales': '1,0.7,0.5,2'}
  text = facts._data({'training_images': 2000}, {'data': data})
  assert text.startswith(f'{whole}; and copies resized by 0.7, 0.5 and 2; and')


def test_a_stage_that_went_on_is_told_once():
  """Steps of a run that only gave its backbone to another are not all told."""

  def run(init=None, **steps):
    config = {key: {'steps': count} for key, count in steps.items()}
    return {'config': config, 'init': init}

  first = run(train=1900, adapt=500)
  again = run(run(first, joint=100), joint=1000)
  assert facts._steps(again) == (
    '1,900 steps for the backbone, then 500 steps for the AdaFM layers, then'
    ' 1,100 steps for all weights together (2 runs)'
  )
  adapted = run(first, train=200, adapt=300)
  assert facts._steps(adapted) == (
    '2,100 steps for the backbone (2 runs), then 300 steps for the AdaFM layers'
  )
