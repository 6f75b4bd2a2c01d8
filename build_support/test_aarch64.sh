#!/usr/bin/env bash
# The kernel tests on AArch64 (NEON) under qemu's emulation: `make test-aarch64`, before a release. On Debian, after
#
#     dpkg --add-architecture arm64 && apt-get update
#     apt-get install qemu-user g++-aarch64-linux-gnu
#
# Python and its libraries for AArch64 are unpacked into build/aarch64, not installed. Arguments are those of this
# machine's Python, which builds, and of pytest. (qemu does not emulate AVX-512: that takes a processor which has it.)
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath -s "$1")
shift
work=$PWD/build/aarch64
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
emulated=(qemu-aarch64 -L "$work/sysroot" "$work/sysroot/usr/bin/python$version")

if [ ! -e "$work/sysroot/usr/bin/python$version" ]; then
  mkdir -p "$work/debs"
  only_needed=$(printf -- '--no-%s ' recommends suggests conflicts breaks replaces enhances)
  # shellcheck disable=SC2086
  packages=$(apt-cache depends --recurse $only_needed \
    "python$version-minimal:arm64" "libpython$version-stdlib:arm64" libstdc++6:arm64 |
    grep '^[a-z].*:arm64$' | sort -u)
  # shellcheck disable=SC2086
  (cd "$work/debs" && apt-get download -qq $packages)
  for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/sysroot"; done
fi
if [ ! -e "$work/libraries/pytest" ]; then
  "$python" -m pip install --quiet --target "$work/libraries" --only-binary=:all: --python-version "$version" \
    --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 numpy ml_dtypes pytest hypothesis
fi

# The headers of this machine's Python say the same as those of AArch64's.
cmake -S . -B "$work/build" -G Ninja -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DPython_EXECUTABLE="$python" \
  -DPython_INCLUDE_DIR="$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
  -DPYTHON_MODULE_EXTENSION=.abi3.so -DGRADOPS_TF=OFF -DGRADOPS_CUDA=OFF \
  -DGRADOPS_OUTPUT_DIR="$work/site/gradops" > /dev/null
cmake --build "$work/build"

cd "$work"
export PYTHONPATH=$work/site:$work/libraries
"${emulated[@]}" -c 'import gradops; print(gradops.build_info())'
"${emulated[@]}" -m pytest -q -p no:cacheprovider -m "not extended" "$@"
