"""Runs inline scripts in fresh Python processes."""

import json
import os
import subprocess
import sys


def run_python(script, *arguments, **environment):
    """The completed process of `python -c script arguments`; a variable given as None is unset."""
    return _run("-c", script, *arguments, **environment)


def run_command(*arguments, **environment):
    """The completed process of `python -m gradops arguments`."""
    return _run("-m", "gradops", *arguments, **environment)


def _run(*arguments, **environment):
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def json_of(script, *arguments, **environment):
    """What the script printed, as JSON, on the last line of its standard output."""
    process = run_python(script, *arguments, **environment)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])
