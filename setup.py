"""The C kernel, optional: without a compiler the install succeeds and the NumPy twin runs."""

import sys
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("dedup/kernel/native")
# gcc vectorises at -O3 only (distributions build at -O2, which is 10 times slower here).
# The index reads one array as words of several sizes, hence no strict aliasing.
GCC_FLAGS = ["-O3", "-std=c11", "-fvisibility=hidden", "-fno-strict-aliasing"]
FLAGS = ["/O2"] if sys.platform == "win32" else GCC_FLAGS

setup(
    ext_modules=[
        Extension(
            "dedup.kernel._native",
            sources=[str(NATIVE / "module.c")],
            depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=FLAGS,
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
