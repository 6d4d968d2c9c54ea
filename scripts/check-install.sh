#!/usr/bin/env bash
# check-install.sh - installs into a folder of its own (DESTDIR and PREFIX) and builds a program against
# what lies there, as someone would who has only that: pkg-config, the header, the library.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make --no-print-directory install DESTDIR="$work" PREFIX=/opt/tidepool >"$work/log" || { cat "$work/log" >&2; exit 1; }
"$work/opt/tidepool/bin/tidepool" version >/dev/null

export PKG_CONFIG_PATH=$work/opt/tidepool/lib/pkgconfig
read -ra flags < <(pkg-config --define-variable=prefix="$work/opt/tidepool" --cflags --libs tidepool)
cc -Wall -Wextra -Werror -o "$work/user" tests/library_user.c "${flags[@]}"
got=$("$work/user")
want='0 3 0 0 3 0 0 3 0 conv 3'
if [ "$got" != "$want" ]; then
  printf 'check-install.sh: the program prints "%s"; expected "%s"\n' "$got" "$want" >&2
  exit 1
fi
# The header stands alone, for C++ too.
if command -v c++ >/dev/null; then
  printf '#include <tidepool.h>\nint main() { return tp_limits_default().max_batch == 0; }\n' >"$work/user.cc"
  c++ -Wall -Wextra -Werror -fsyntax-only -I"$work/opt/tidepool/include" "$work/user.cc"
fi
