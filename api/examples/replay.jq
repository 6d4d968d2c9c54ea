# What api/openapi.yaml promises by example. Input: the document.
#   jq -c 'include "replay"; cases'        a line per example: id, method, url, body, and the answer and its schema
#   jq -r 'include "replay"; unanswered'   request examples without an answer of the same name; bodies without one at all
include "described";

# A path with the examples of its parameters in it.
def url($doc; $path; $item): reduce ($item.parameters // [] | .[] | resolve($doc) | select(.in == "path")) as $p
  ($path; ($p.example) as $e | split("{\($p.name)}") | join($e));

def operations: . as $doc | .paths | to_entries[] | .key as $path | .value as $item | $item | to_entries[]
  | select(.key == "get" or .key == "post") | .value as $o
  | ($o.requestBody // {} | resolve($doc) | .content["application/json"] // {}) as $in
  | ($o.responses["200"] | resolve($doc) | .content["application/json"]) as $out
  | {id: $o.operationId, method: (.key | ascii_upcase), url: url($doc; $path; $item), $in, $out};

# What answers in text (GET /metrics) is not looked at here.
def cases: operations | select(.method == "POST" or .out) | . as $o
  | if .method == "GET"
    then {id, method, url, schema: .out.schema, answer: .out.example}
    else .in.examples // {} | to_entries[] | {id: "\($o.id), \(.key)", method: $o.method, url: $o.url, body: .value.value,
      body_schema: $o.in.schema, schema: $o.out.schema, answer: $o.out.examples[.key].value}
    end;

def unanswered: operations | select(.method == "POST")
  | if .in.examples // {} | length == 0 then "\(.id): no example of a request"
    else . as $o | .in.examples | keys[] | select($o.out.examples[.].value == null) | "\($o.id): \(.) has no answer" end;
