"""Published parameters of the ocean at the SWellEx-96 experiment, without its recordings.

Profile:   a piecewise linear fit, to within 0.1 m/s, of the cast of 10 May 1996, 18:18 local time, down to
           164 m; constant below.
Array:     the 21 usable hydrophones of the vertical line array.
Tones:     those of the deep source's loudest set that are used here.
Seabed:    sediment over mudstone. The experiment's description has 800 m of mudstone whose speed rises from
           1881 to 3245 m/s, over a half-space at 5200 m/s; inversions often replace both by a
           half-space with the properties of the mudstone's top. No shear waves are given.
Sources:   UC San Diego Library Digital Collections, SWellEx-96: environment data, event S5, array
           parameters; Jenkins, Gerstoft & Park 2024, JASA 156, 812 (half-space of mudstone, bounds of the
           search).
"""

from __future__ import annotations

from workbench.problems.ocean.environment import Environment, Layer

PROFILE_DEPTHS = (
    0.0, 3.0, 5.0, 9.0, 10.0, 10.5, 11.5, 12.0, 12.5, 13.0, 14.0, 15.5, 16.5, 18.0, 19.0, 21.0, 25.5,
    31.0, 33.5, 35.5, 39.0, 42.0, 52.0, 56.5, 72.5, 78.5, 88.0, 94.5, 97.5, 101.5, 110.5, 113.0, 119.0,
    136.5, 164.0,
)  # fmt: skip
PROFILE_SPEEDS = (
    1521.95, 1521.84, 1521.38, 1519.42, 1518.71, 1518.18, 1516.57, 1515.25, 1513.55, 1511.39, 1507.93,
    1504.52, 1502.73, 1501.13, 1500.30, 1499.32, 1496.62, 1495.02, 1493.90, 1493.32, 1492.66, 1492.29,
    1491.76, 1491.18, 1489.86, 1489.62, 1489.53, 1489.08, 1488.61, 1488.24, 1487.93, 1487.72, 1487.85,
    1488.96, 1488.90,
)  # fmt: skip
HYDROPHONES = (
    94.125, 99.755, 105.38, 111.00, 116.62, 122.25, 127.88, 139.12, 144.74, 150.38, 155.99, 161.62,
    167.26, 172.88, 178.49, 184.12, 189.76, 195.38, 200.99, 206.62, 212.25,
)  # fmt: skip
TONES = (49.0, 79.0, 112.0, 148.0, 201.0, 283.0, 388.0)
MUDSTONE = Layer(1881.0, 1881.0, 2.06, 0.06)
#: 800 m of mudstone whose speed rises with depth: layers of 40 m, as in one evanescent waves would overflow.
GRADED_MUDSTONE = tuple(
    Layer(1881.0 + 68.2 * i, 1881.0 + 68.2 * (i + 1), 2.06, 0.06, 40.0) for i in range(20)
) + (Layer(5200.0, 5200.0, 2.66, 0.020),)
#: Water depth at the array in m; thickness in m, speed at the top and its increase in m/s, density in g/cm³
#: and attenuation in dB/(km Hz) of the sediment, as published; range and depth of the source in m and tilt
#: in degrees, as chosen for the test case here.
NOMINAL = {
    "depth": 216.5, "thickness": 23.5, "speed": 1572.368, "increase": 20.648, "density": 1.76,
    "attenuation": 0.2, "distance": 3000.0, "source_depth": 60.0, "tilt": 1.0,
}  # fmt: skip


def environment(
    hydrophones: int = 21, *, graded: bool = False, sources: tuple[float, float] = (50.0, 70.0)
) -> Environment:
    """Return the environment for the uppermost ``hydrophones`` and source depths (lowest, highest) in m.

    The mudstone is a half-space, or a stack of layers over a half-space if ``graded``.
    """
    below = GRADED_MUDSTONE if graded else (MUDSTONE,)
    return Environment(PROFILE_DEPTHS, PROFILE_SPEEDS, HYDROPHONES[:hydrophones], below, sources)
