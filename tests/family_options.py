"""The options of the family, read from the table of the kernels: the one list for all tests.

Lists that check the table itself are typed in reference_tools.py.
"""

from gradops import _kernels

OPTIONS = _kernels.options()
STENCILS = OPTIONS["stencil"]
BORDERS = OPTIONS["border"]
RESPONSES = OPTIONS["response"]
PENALTIES = OPTIONS["penalty"]
SCALES = OPTIONS["scale"]
NORMALIZERS = OPTIONS["normalizer"]
DATA_FORMATS = OPTIONS["data_format"]
DOWNSAMPLES = OPTIONS["downsample"]
