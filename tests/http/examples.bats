#!/usr/bin/env bats
# examples.bats - the bodies of api/examples, replayed: each answers what its .expect.json says.

load server

@test "every example of the API answers as it says" {
  local want name method path n=0
  for want in api/examples/*.expect.json; do
    name=${want%.expect.json}
    method=$(jq -r .method "$want")
    path=$(jq -r .path "$want")
    post "$path" -X "$method" -H 'Content-Type: application/json' --data-binary "@$name.json"
    expect_status "$(jq -r .status "$want")"
    if ! jq -e -f api/examples/fits.jq --slurpfile expect "$want" <<<"$body" >/dev/null; then
      printf '%s: %s\n' "$name" "$body"
      return 1
    fi
    n=$((n + 1))
  done
  [ "$n" -ge 5 ]
}
