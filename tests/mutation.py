"""Files that chance has damaged."""


def mutated(data, random):
  """Bytes changed, cut out, doubled, or lost at the end."""
  data = bytearray(data)
  for _ in range(random.integers(1, 5)):
    reach = int(random.choice([64, 600, len(data)]))
    at = int(random.integers(2, max(3, min(reach, len(data)))))
    way = random.integers(8)
    if way < 5:
      data[at : at + 1] = random.bytes(1)
    elif way == 5:
      data[at : at + 4] = random.choice(
        [b'\0' * 4, b'\xff' * 4, b'\x7f\xff' * 2]
      )
    elif way == 6:
      end = at + int(random.integers(1, 40))
      data[at:end] = random.choice([b'', bytes(data[at:end]) * 2])
    else:
      del data[int(random.integers(2, len(data))) :]
    if len(data) < 4:
      break
  return bytes(data)
