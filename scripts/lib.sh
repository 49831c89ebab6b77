# Shared by the scripts beside it: where things are, and how they speak. Source it; it runs nothing.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache
VENV=$ROOT/.venv          # Python 3.14: everything
VENV311=$ROOT/.venv311    # Python 3.11: the node, as on Raspberry Pi OS 12

say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }

# usage "$@" prints the comment block at the head of the calling script when --help is asked for.
usage() {
  local argument
  for argument in "$@"; do
    case $argument in
      --) return ;;
      -h | --help)
        sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"
        exit 0
        ;;
    esac
  done
}
