"""The paper's own numbers (He, Dong and Qiao, CVPR 2019), PSNR in dB.

Sets: 'set5', 'div2k' (DIV2K100), 'live1', 'cbsd68'.
"""

from __future__ import annotations

# The set on which the paper measures each task; of super-resolution the first.
SETS = {
  'denoise': ('cbsd68',),
  'dejpeg': ('live1',),
  'sr': ('set5', 'div2k'),
}

# Table 1: {(task, level, system): PSNR}.
PEERS = {
  ('denoise', 15, 'dncnn'): 33.89,
  ('denoise', 15, 'basic'): 34.10,
  ('dejpeg', 10, 'arcnn'): 29.13,
  ('dejpeg', 10, 'basic'): 29.55,
  ('sr', 4, 'srresnet'): 32.05,
  ('sr', 4, 'basic'): 32.13,
}

# Table 2: {set: PSNR with filters of 1x1, 3x3, 5x5, 7x7, of the baseline}.
FILTERS = {
  'cbsd68': (26.35, 26.38, 26.39, 26.40, 26.49),
  'live1': (29.35, 29.39, 29.41, 29.42, 29.55),
  'set5': (31.42, 31.88, 32.00, 32.03, 32.13),
  'div2k': (29.89, 30.20, 30.28, 30.30, 30.37),
}

# Table 3: {(set, level): PSNR of AdaBN, Conditional IN, AdaFM}.
NORMALISATION = {
  ('cbsd68', 15): (33.83, 31.33, 34.10),
  ('cbsd68', 75): (19.68, 24.15, 26.35),
  ('live1', 80): (38.29, 36.99, 38.81),
  ('live1', 10): (27.61, 28.89, 29.35),
  ('set5', 3): (34.04, 33.53, 34.34),
  ('set5', 4): (28.70, 31.30, 32.00),
}

# Tables 4 and 5: {(set, start, end): PSNR of (baseline, AdaFM) at the end}.
ADAPTED = {
  ('set5', 2, 3): (34.34, 33.98),
  ('set5', 3, 4): (32.13, 32.00),
  ('set5', 4, 5): (30.26, 30.16),
  ('set5', 5, 6): (28.74, 28.73),
  ('set5', 2, 4): (32.13, 31.66),
  ('set5', 3, 5): (30.26, 29.98),
  ('set5', 4, 6): (28.74, 28.61),
  ('set5', 4, 3): (34.34, 34.11),
  ('set5', 4, 2): (37.84, 37.11),
  ('div2k', 2, 3): (32.35, 32.07),
  ('div2k', 3, 4): (30.37, 30.28),
  ('div2k', 4, 5): (29.04, 29.02),
  ('div2k', 5, 6): (28.10, 28.09),
  ('div2k', 2, 4): (30.37, 30.01),
  ('div2k', 3, 5): (29.04, 28.88),
  ('div2k', 4, 6): (28.10, 28.00),
  ('div2k', 4, 3): (32.35, 32.14),
  ('div2k', 4, 2): (36.00, 35.13),
  ('live1', 80, 60): (36.00, 35.98),
  ('live1', 80, 40): (34.34, 34.29),
  ('live1', 80, 20): (31.93, 31.81),
  ('live1', 80, 10): (29.55, 29.35),
  ('live1', 10, 80): (38.81, 37.77),
  ('cbsd68', 15, 25): (31.44, 31.43),
  ('cbsd68', 15, 35): (29.82, 29.78),
  ('cbsd68', 15, 50): (28.20, 28.13),
  ('cbsd68', 15, 75): (26.49, 26.35),
  ('cbsd68', 75, 15): (34.10, 33.42),
}

# Figure 7: {(start, end): {quality: (best strength, distance)}}.
MODULATED: dict[tuple[int, int], dict[float, tuple[float, float]]] = {
  (80, 10): {
    80: (0.0, 0.0),
    70: (0.07, 0.03),
    60: (0.14, 0.06),
    50: (0.20, 0.08),
    40: (0.28, 0.12),
    30: (0.40, 0.15),
    20: (0.59, 0.16),
    10: (1.0, 0.20),
  },
  (80, 40): {
    80: (0.0, 0.0),
    70: (0.25, 0.01),
    60: (0.50, 0.02),
    50: (0.71, 0.02),
    40: (1.0, 0.05),
  },
}

# Its cubic through the strengths of 80 -> 10, by quality L.
CUBIC = 'lambda = 1.51 - 0.0624 L + 0.00101 L^2 - 5.91e-06 L^3'

# Section 4.1, "The position of AdaFM layers": Set5, x3 -> x4.
POSITIONS = {'everywhere': 32.01, 'block': 32.00, 'activation': 31.84}

# Section 4.1: DIV2K100, x4: AdaFM-Net trained from scratch, basic model.
SCRATCH = (30.39, 30.37)

# Section 3.2: mean cosine distance of first-layer filters, ARCNN 15 and 50.
COSINE = 0.12
