#!/bin/sh
# Makes a virtual environment with a Python that fits; used by the Makefile. Usage: make_venv.sh FOLDER
set -eu
folder=$1
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'

if [ -x "$folder/bin/python" ]; then
    "$folder/bin/python" -c "$fits" && exit 0
    echo "error: $folder holds $("$folder/bin/python" --version 2>&1); Python 3.11 to 3.13 is needed." \
        "Remove $folder and run make again." >&2
    exit 1
fi
for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$python" >/dev/null 2>&1 && "$python" -c "$fits" 2>/dev/null; then
        echo "making $folder with $("$python" --version 2>&1)"
        exec "$python" -m venv "$folder"
    fi
done
found=$("${PYTHON:-python3}" --version 2>&1 || true)
echo "error: ${PYTHON:-python3} is \"$found\"; Python 3.11, 3.12 or 3.13 is needed." \
    "Install one, or name it: PYTHON=python3.12 make install" >&2
exit 1
