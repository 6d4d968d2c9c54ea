#!/usr/bin/env bash
# surface.sh - what an intruder would find: row 19 of the scoreboard.
#
#   tests/stress/surface.sh [TIDEPOOL] [IMAGE]
#     TIDEPOOL  the program (default: build/tidepool)
#     IMAGE     a folder with the container's files, e.g. docker export CONTAINER | tar -x -C IMAGE
#
# One line for each figure with its goal. Exits 1 when a goal is missed.
set -euo pipefail
export LC_ALL=C

tidepool=${1:-build/tidepool}
image=${2-}
missed=0
WORK=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$WORK"' EXIT

# most WHAT FIGURE GOAL; least WHAT FIGURE GOAL
most() { judge "$1" "$2" "at most $3" $(($2 <= $3)); }
least() { judge "$1" "$2" "at least $3" $(($2 >= $3)); }
judge() {
  local verdict=ok
  if [[ $4 -eq 0 ]]; then verdict=MISSED missed=1; fi
  printf '%-46s %6s   goal: %-14s %s\n' "$1" "$2" "$3" "$verdict"
}

# matching PATTERN COMMAND...: the lines of its output that match.
matching() {
  local pattern=$1
  shift
  "$@" | grep -E "$pattern" || true
}

# has WHAT PATTERN COMMAND...: 1 when there are such lines, else 0; the goal is 1.
has() {
  local found=0
  if [[ -n $(matching "${@:2}") ]]; then found=1; fi
  least "$1" "$found" 1
}

# ---- the running service -----------------------------------------------------------------------

start() {
  local i
  "$tidepool" serve --port 0 2> "$WORK/log" & server=$!
  for ((i = 0; i < 200; i++)); do
    if grep -q ' serves ' "$WORK/log"; then return; fi
    sleep 0.05
  done
  cat "$WORK/log"
  exit 1
}

# Sockets of the service in state 0A: listening.
listening() {
  local inodes
  inodes=$(find "/proc/$server/fd" -lname 'socket:*' -printf '%l\n' | grep -o '[0-9]*' | paste -sd '|')
  awk -v inodes="^($inodes)\$" '$4 == "0A" && $10 ~ inodes' "/proc/$server/net/tcp" "/proc/$server/net/tcp6"
}

start
calls=$(sed -n 's/.*sandbox: seccomp with \([0-9]*\) system calls.*/\1/p' "$WORK/log")
most 'system calls allowed' "${calls:-999}" 40
most 'threads without the filter' "$(grep -LE '^Seccomp:\s*2' "/proc/$server"/task/*/status | wc -l)" 0
most 'threads that may get privileges' "$(grep -LE '^NoNewPrivs:\s*1' "/proc/$server"/task/*/status | wc -l)" 0
abi=$(sed -n 's/.*Landlock ABI \([0-9]*\).*/\1/p' "$WORK/log")
if [[ -e /sys/kernel/security/lsm ]] && ! grep -q landlock /sys/kernel/security/lsm; then
  printf '%-46s %6s\n' 'Landlock: this kernel has none' -
else
  least 'Landlock ABI' "${abi:-0}" 1
fi
most 'listening sockets' "$(listening | wc -l)" 1
kill "$server"
wait "$server"
server=

# ---- the program -------------------------------------------------------------------------------

headers=(readelf -hlW "$tidepool")
dynamic=(readelf -dW "$tidepool")
symbols=(readelf --dyn-syms -W "$tidepool")
code=(objdump -d --no-show-raw-insn "$tidepool")

has 'position-independent' 'Type: +DYN' "${headers[@]}"
has 'read-only relocations' 'GNU_RELRO' "${headers[@]}"
has 'all symbols bound at start' 'FLAGS_1.*NOW' "${dynamic[@]}"
has 'stack protector' '__stack_chk_fail' "${symbols[@]}"
has 'checked library calls (_FORTIFY_SOURCE)' '__(sn|vsn|mem)[a-z]*_chk' "${symbols[@]}"
most 'segments both writable and executable' "$(matching '(GNU_STACK|LOAD).* RWE' "${headers[@]}" | wc -l)" 0
most 'search paths for libraries in the program' "$(matching 'RPATH|RUNPATH' "${dynamic[@]}" | wc -l)" 0
case $(uname -m) in
x86_64)
  least 'functions that begin with endbr64 (CET)' "$(matching '\sendbr64' "${code[@]}" | wc -l)" 500
  least 'large stack frames that probe their pages' "$(matching '\sor[a-z]* +[$]0x0,\(%rsp\)' "${code[@]}" | wc -l)" 1
  ;;
aarch64)
  least 'functions that begin with bti or paciasp' "$(matching '\s(bti|paciasp)' "${code[@]}" | wc -l)" 500
  ;;
esac

# ---- the image ---------------------------------------------------------------------------------

if [[ -n $image ]]; then
  tools='sh|bash|dash|ash|zsh|ksh|csh|fish|busybox|toybox|perl.*|python.*|apt.*|dpkg|apk|rpm|curl|wget|nc|gcc|cc'
  most 'shells, interpreters, package managers' \
    "$(find "$image" -regextype posix-extended -regex ".*/bin/($tools)" | tee /dev/stderr | wc -l)" 0
  most 'setuid and setgid files' "$(find "$image" -type f -perm /6000 | tee /dev/stderr | wc -l)" 0
  most 'files that anybody may write' "$(find "$image" -type f -perm /0002 | tee /dev/stderr | wc -l)" 0
  most 'programs' "$(find "$image" -path '*/bin/*' -type f | wc -l)" 1
fi
exit "$missed"
