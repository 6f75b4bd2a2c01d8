#!/usr/bin/env bash
# gpu_step.sh FOLDER NAME SECONDS COMMAND...: one step of make gpu-check.
#
# Runs COMMAND with the package that is built in FOLDER/site, for SECONDS at most. What it prints goes
# to FOLDER/logs/NAME.log as well; the last line says how it ended.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1/logs"
folder=$(cd "$1" && pwd) name=$2 limit=$3
shift 3
export PYTHONUNBUFFERED=1 PYTHONPATH="$folder/site:$root${PYTHONPATH:+:$PYTHONPATH}"
cd "$folder" || exit 1 # where no checkout shadows what was built
{
    echo "+ [$name] $*"
    timeout --kill-after=10 "$limit" "$@" 2>&1
    status=$?
    case $status in
    0) said="ok" ;;
    124 | 137) said="FAILED: ended after $SECONDS s of $limit" ;;
    *) said="FAILED: exit status $status" ;;
    esac
    echo "[$name] $said ($SECONDS s)"
    exit $status
} | tee "logs/$name.log"
exit "${PIPESTATUS[0]}"
