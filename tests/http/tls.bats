#!/usr/bin/env bats
# tls.bats - HTTPS: who shows what to whom, its reload, and clients that are slow or rude under it.

bats_require_minimum_version 1.5.0

load server

# certificate NAME [DAYS]: NAME.pem and NAME.key, for this machine, signed by itself.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "${2-2}" -subj "/CN=$1" \
    -addext 'subjectAltName=IP:127.0.0.1' -keyout "$CERTS/$1.key" -out "$CERTS/$1.pem" 2>/dev/null
}

# show NAME: what the service reads from now on, put there as tools that renew do it.
show() {
  local what
  for what in pem key; do
    cp "$CERTS/$1.$what" "$CERTS/.new"
    mv "$CERTS/.new" "$CERTS/shown.$what"
  done
}

setup_file() {
  CERTS=$BATS_FILE_TMPDIR/certs
  mkdir "$CERTS"
  certificate one
  certificate two
  cat "$CERTS/one.pem" "$CERTS/two.pem" >"$CERTS/trusted"
  export CERTS CURL_CA_BUNDLE=$CERTS/trusted
  show one
  start_tls --admin-port "$(free_port)" --header-timeout 1 --body-timeout 2 --min-rate 20000
  ADMIN=$(sed -n 's/.*health and metrics alone on \([^ ]*\).*/\1/p' "$SERVER_LOG")
  export ADMIN
}

start_tls() { start_server --tls-cert "$CERTS/shown.pem" --tls-key "$CERTS/shown.key" "$@"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

live() { [ "$(curl -sS --max-time 10 "$URL/v2/health/live")" = '{"live":true}' ]; }

# shown_is NAME: to who connects now.
shown_is() { curl -sS --max-time 10 --cacert "$CERTS/$1.pem" -o /dev/null "$URL/v2/health/live"; }

# speak VERSION: the protocol agreed on with a client that knows no other.
speak() {
  timeout 10 openssl s_client -connect "${URL#https://}" "-$1" -cipher 'ALL:@SECLEVEL=0' </dev/null 2>/dev/null |
    sed -n 's/^New, \(TLSv[0-9.]*\), Cipher is \(.*\)/\1 \2/p'
}

@test "both doors are HTTPS, the log says so, and health can ask" {
  [[ "$URL" == https://* && "$ADMIN" == https://127.0.0.1:* ]]
  live
  request "$ADMIN/v2/health/ready"
  expect_status 200
  run -0 "$TIDEPOOL_BIN" health --url "$URL"
  run -1 "$TIDEPOOL_BIN" health --url "http${URL#https}"
}

@test "photos and bodies and answers of megabytes pass as they do without" {
  jq -nc '{tensor: {shape: [1, 700, 700, 1], data: [range(490000) | . % 7]}}' >"$BATS_TEST_TMPDIR/large"
  curl -sSf --max-time 30 --data-binary "@$BATS_TEST_TMPDIR/large" -o "$BATS_TEST_TMPDIR/tls" \
    "$URL/v1/models/edges/features?layers=relu&format=npy"
  post /v1/models/gist/features --data-binary @tests/data/images/rgb.jpg
  expect_status 200
  expect '.outputs[0].shape' '[1,512]'
  start_server
  [[ "$URL" == http://* ]]
  curl -sSf --max-time 30 --data-binary "@$BATS_TEST_TMPDIR/large" -o "$BATS_TEST_TMPDIR/plain" \
    "$URL/v1/models/edges/features?layers=relu&format=npy"
  stop_server
  [ "$(wc -c <"$BATS_TEST_TMPDIR/tls")" -gt 10000000 ]
  cmp "$BATS_TEST_TMPDIR/tls" "$BATS_TEST_TMPDIR/plain"
}

@test "TLS 1.2 and 1.3, sealed and with keys of the moment; nothing older" {
  [[ "$(speak tls1_3)" == 'TLSv1.3 TLS_'* ]]
  [[ "$(speak tls1_2)" =~ ^'TLSv1.2 ECDHE-ECDSA-'.*(GCM|POLY1305) ]]
  [ "$(speak tls1_1)" = '' ]
  [ "$(speak tls1)" = '' ]
  local weak
  for weak in AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA DHE-RSA-AES128-GCM-SHA256; do
    run ! curl -sS --tls-max 1.2 --ciphers "$weak" "$URL/v2/health/live"
  done
}

@test "who speaks HTTP or noise there is hung up on" {
  run ! curl -sS --max-time 10 "http${URL#https}/v2/health/live"
  run ! timeout 10 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"; head -c 3000 /dev/zero >&3; grep -q . <&3' "${URL##*:}"
  live
}

@test "SIGHUP: who connects then is shown the new one, who is there stays" {
  shown_is one
  run ! shown_is two
  show two
  timeout 30 /usr/bin/python3 - "${URL##*:}" "$CERTS" "$SERVER_PID" "$SERVER_LOG" <<'PY'
import http.client, os, signal, ssl, sys, time
port, certs, pid, log = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
trust = ssl.create_default_context(cafile=certs + "/trusted")
stays = http.client.HTTPSConnection("127.0.0.1", port, context=trust)
def ask():
    stays.request("GET", "/v2/health/live")
    assert stays.getresponse().read().strip() == b'{"live":true}'
ask()
mine = stays.sock
os.kill(pid, signal.SIGHUP)
while "the certificate was read again" not in open(log).read():
    time.sleep(0.05)
ask()
assert stays.sock is mine
PY
  shown_is two
  run ! shown_is one
}

@test "SIGHUP with bad files leaves the old ones, and the log says why" {
  show one
  reload 'the certificate was read again'
  echo junk >"$CERTS/shown.pem"
  reload "the certificate stays as it was: --tls-cert $CERTS/shown.pem: no certificate in PEM"
  shown_is one
  show one
  cp "$CERTS/two.key" "$CERTS/shown.key"
  reload "the certificate stays as it was: --tls-key $CERTS/shown.key: does not belong to"
  shown_is one
  rm "$CERTS/shown.key"
  reload "the certificate stays as it was: --tls-key $CERTS/shown.key: No such file"
  shown_is one
  show two
  reload 'the certificate was read again'
  shown_is two
}

@test "certificates that come and go lose no request" {
  local i clients=() one status=0
  for one in 1 2 3; do
    for ((i = 0; i < 30; i++)); do
      curl -sSf --max-time 20 -o /dev/null "$URL/v2/health/live" "$URL/v1/models" || exit 1
    done 3>&- &
    clients+=("$!")
  done
  while [ "$(jobs -pr | grep -cFx -f <(printf '%s\n' "${clients[@]}"))" -gt 0 ]; do
    show one
    reload 'the certificate was read again'
    show two
    reload 'the certificate was read again'
  done
  for one in "${clients[@]}"; do wait "$one" || status=$?; done
  [ "$status" -eq 0 ]
}

# cut WITHIN HOW: a slow client; nothing but TLS is sent to it.
cut() {
  run -0 env TLS=1 timeout 30 python3 tests/stress/client.py "${URL##*:}" "$2"
  local seconds
  seconds=$(sed -n 's/^cut after \([0-9.]*\) s$/\1/p' <<<"$output")
  [ -n "$seconds" ] || { printf 'not cut: %s\n' "$output"; return 1; }
  jq -ne "$seconds < $1" >/dev/null || { printf 'cut after %s s, bound %s\n' "$seconds" "$1"; return 1; }
  [[ "$output" != *HTTP/* ]]
}

@test "a handshake that drips is cut, as are headers, bodies and readers" {
  cut 8 hello
  cut 8 head
  cut 10 body
  cut 20 reader
  live
}

@test "a client that has gone: its work ends, and nothing but TLS is sent to ask" {
  jq -cn '{pipeline: {input: {shape: [300, 300, 4]}, layers: [range(400) | {type: "LpPooling2D", name: "l\(.)",
      pool_size: [31, 31], strides: [1, 1], padding: "same"}]}, outputs: [{name: "l399", pool: "avg"}],
    tensor: {shape: [1, 300, 300, 4], data: [range(360000) | . % 7]}}' >"$BATS_TEST_TMPDIR/slow"
  timeout 30 /usr/bin/python3 - "${URL##*:}" "$CERTS/trusted" "$BATS_TEST_TMPDIR/slow" <<'PY'
import socket, ssl, sys
body = open(sys.argv[3], "rb").read()
s = ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="127.0.0.1")
s.sendall(b"POST /v1/run HTTP/1.1\r\nHost: a\r\nX-Request-Id: gone-1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
s.shutdown(socket.SHUT_WR)             # and from here on s.recv() gives the bytes as they come
got = b""
while part := s.recv(65536):
    got += part
assert b"HTTP" not in got, got[:300]
PY
  wait_for_line 'id=gone-1 .*rejected=client_gone'
}

# refused TEXT FLAGS...: wrong usage, and the message holds TEXT.
refused() {
  local text=$1
  shift
  run -2 timeout 10 "$TIDEPOOL_BIN" serve --port 0 "$@"
  [[ "$output" == *"$text"* ]] || { printf '%s lacks %s\n' "$output" "$text"; return 1; }
}

@test "files that cannot be used are told at start, by flag" {
  local one=$CERTS/one junk=$BATS_TEST_TMPDIR/junk
  echo junk >"$junk"
  openssl pkcs8 -topk8 -in "$one.key" -passout pass:word -out "$BATS_TEST_TMPDIR/locked"
  refused '--tls-key is missing' --tls-cert "$one.pem"
  refused '--tls-cert is missing' --tls-key "$one.key"
  refused "--tls-cert $junk-not: No such file" --tls-cert "$junk-not" --tls-key "$one.key"
  refused "--tls-key $junk-not: No such file" --tls-cert "$one.pem" --tls-key "$junk-not"
  refused "--tls-cert $junk: no certificate in PEM" --tls-cert "$junk" --tls-key "$one.key"
  refused "--tls-key $junk: no private key in PEM" --tls-cert "$one.pem" --tls-key "$junk"
  refused "--tls-key $BATS_TEST_TMPDIR/locked: is encrypted" --tls-cert "$one.pem" --tls-key "$BATS_TEST_TMPDIR/locked"
  refused "--tls-key $CERTS/two.key: does not belong to" --tls-cert "$one.pem" --tls-key "$CERTS/two.key"
  refused '--api-key-file' --host 0.0.0.0 --tls-cert "$one.pem" --tls-key "$one.key"
}

@test "a certificate that has expired is shown, with a warning" {
  openssl req -new -key "$CERTS/one.key" -subj /CN=old |
    openssl x509 -req -days -1 -signkey "$CERTS/one.key" -out "$BATS_TEST_TMPDIR/old.pem"
  start_server --tls-cert "$BATS_TEST_TMPDIR/old.pem" --tls-key "$CERTS/one.key"
  grep -q "warn .*--tls-cert $BATS_TEST_TMPDIR/old.pem: has expired" "$SERVER_LOG"
  curl -sSk "$URL/v2/health/live"
  stop_server
}
