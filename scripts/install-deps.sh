#!/usr/bin/env bash
# install-deps.sh - what the build needs, installed where apt is, named where it is not.
#
#   scripts/install-deps.sh [test] [bench] [torch] [arm64]
#     test    also what `make test` needs
#     bench   also what `make bench` compares the text codec with
#     torch   also what `make test-torch` needs: PyTorch, which is large
#     arm64   also the cross compiler and emulator that run the unit tests as aarch64
#
# Where everything is there already it changes and prints nothing.
set -euo pipefail

debian=(gcc make pkg-config libc6-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev libjpeg-dev libspng-dev
  libwebp-dev libdeflate-dev libprotobuf-c-dev protobuf-c-compiler libyaml-dev libseccomp-dev)
fedora=(gcc make pkgconf-pkg-config libmicrohttpd-devel gnutls-devel jansson-devel libjpeg-turbo-devel libspng-devel
  libwebp-devel libdeflate-devel protobuf-c-devel protobuf-c-compiler libyaml-devel libseccomp-devel)
alpine=(build-base pkgconf libmicrohttpd-dev gnutls-dev jansson-dev libjpeg-turbo-dev libspng-dev
  libwebp-dev libdeflate-dev protobuf-c-dev protobuf-c-compiler yaml-dev libseccomp-dev linux-headers)
brew=(gcc make pkgconf libmicrohttpd gnutls jansson jpeg-turbo libspng webp libdeflate protobuf-c libyaml libseccomp)
modules=(libmicrohttpd gnutls jansson libdeflate libjpeg spng libwebp libprotobuf-c yaml-0.1 libseccomp)
tools=(cc make pkg-config protoc-c)
foreign=                             # another architecture whose libraries are installed beside

for what in "$@"; do
  case $what in
  test)
    debian+=(libcmocka-dev bats curl jq openssl shellcheck libonnx-testdata)
    fedora+=(libcmocka-devel bats curl jq openssl ShellCheck)
    alpine+=(cmocka-dev bats curl jq openssl shellcheck)
    brew+=(cmocka bats-core curl jq openssl shellcheck)
    modules+=(cmocka)
    tools+=(bats curl jq openssl shellcheck)
    ;;
  bench)
    debian+=(g++ libsimdjson-dev)
    fedora+=(gcc-c++ simdjson-devel)
    alpine+=(g++ simdjson-dev)
    brew+=(simdjson)
    ;;
  torch)
    debian+=(python3-torch python3-torchvision python3-onnx)
    fedora+=(python3-torch python3-torchvision python3-onnx)
    alpine+=(py3-pytorch py3-torchvision py3-onnx)
    brew+=(pytorch torchvision onnx)
    ;;
  arm64)
    foreign=arm64
    debian+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
    debian+=({libgomp1,libmicrohttpd-dev,libgnutls28-dev,libjansson-dev,libjpeg-dev,libspng-dev,libwebp-dev}:arm64)
    debian+=({libprotobuf-c-dev,libdeflate-dev,libseccomp-dev,libcmocka-dev}:arm64)
    tools+=(aarch64-linux-gnu-gcc qemu-aarch64)
    ;;
  *)
    printf 'install-deps.sh: unknown argument "%s"; there are: test, bench, torch, arm64\n' "$what" >&2
    exit 2
    ;;
  esac
done

is_installed() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

install_with_apt() {
  local missing=() as_root=() p
  for p in "${debian[@]}"; do is_installed "$p" || missing+=("$p"); done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $EUID -ne 0 ]]; then
    if ! command -v sudo > /dev/null; then
      printf 'Not root, and no sudo here. As root: apt-get install %s\n' "${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo --)
  fi
  printf 'Installing: %s\n' "${missing[*]}" >&2
  if [[ -n $foreign ]]; then "${as_root[@]}" dpkg --add-architecture "$foreign"; fi
  # One broken source must not keep the others from being used: apt-get install has the last word.
  "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=120 update >&2 || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 install \
    --no-install-recommends "${missing[@]}" >&2
}

# No apt: the libraries and tools may be there all the same, from wherever they came.
look_for_them() {
  local missing=() x
  for x in "${tools[@]}"; do command -v "$x" >/dev/null || missing+=("$x"); done
  for x in "${modules[@]}"; do pkg-config --exists "$x" 2>/dev/null || missing+=("$x.pc"); done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  printf '%s\n' "Missing here: ${missing[*]}. Install these, then try again:" \
    "  Debian, Ubuntu  apt-get install ${debian[*]}" "  Fedora          dnf install ${fedora[*]}" \
    "  Alpine          apk add ${alpine[*]}" "  Homebrew        brew install ${brew[*]}" >&2
  return 1
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  install_with_apt
else
  look_for_them
fi
