# Whether values are what a schema of api/openapi.yaml says: functions over the document, and no output of its own.
#   include "described";  VALUE | faults($openapi; SCHEMA)     a line for each fault; nothing where it fits
# Knows the words of JSON Schema 2020-12 that the document uses and fails on any other.
def words: ["$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "example", "format",
  "items", "maxItems", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "not", "oneOf",
  "pattern", "properties", "propertyNames", "required", "type"];

def resolve($doc): if type == "object" and has("$ref")
  then . as $s | ($doc | getpath($s["$ref"] | ltrimstr("#/") | split("/")) | resolve($doc)) + ($s | del(.["$ref"]))
  else . end;

def is($t): if $t == "integer" then type == "number" and . == floor else type == $t end;

def faults($doc; $schema; $at):
  . as $v | ($schema | resolve($doc)) as $s
  | if ($s | type) == "boolean" then (if $s then empty else "\($at): may not be there" end) else
    (($s | keys) - words | if length > 0 then "\($at): the schema has words that are not checked: \(.)" else empty end),
    (if $s | has("type") then ($s.type | if type == "array" then . else [.] end) as $types
      | if any($types[]; . as $t | $v | is($t)) then empty else "\($at): \($v | type), not \($types | join(" or "))" end
      else empty end),
    (if ($s | has("enum")) and ($s.enum | index([$v]) | not) then "\($at): \($v) is none of \($s.enum)" else empty end),
    (if ($s | has("const")) and $s.const != $v then "\($at): \($v) is not \($s.const)" else empty end),
    (if $s.oneOf then [$s.oneOf[] | . as $o | [$v | faults($doc; $o; $at)]] as $all
      | if ($all | map(select(length == 0)) | length) == 1 then empty
        else "\($at): fits \($all | map(select(length == 0)) | length) of oneOf: \($all)" end else empty end),
    (if $s.anyOf and all($s.anyOf[]; . as $o | [$v | faults($doc; $o; $at)] | length > 0)
      then "\($at): fits none of anyOf" else empty end),
    (if ($s | has("not")) and ([$v | faults($doc; $s.not; $at)] | length) == 0
      then "\($at): fits what it may not" else empty end),
    (if ($v | type) == "number" then
      (if $s.minimum and $v < $s.minimum then "\($at): \($v) is below \($s.minimum)" else empty end),
      (if $s.maximum and $v > $s.maximum then "\($at): \($v) is above \($s.maximum)" else empty end)
    elif ($v | type) == "string" then
      (if $s.minLength and ($v | length) < $s.minLength then "\($at): too short" else empty end),
      (if $s.pattern and ($v | test($s.pattern) | not) then "\($at): does not match \($s.pattern)" else empty end)
    elif ($v | type) == "array" then
      (if $s.minItems and ($v | length) < $s.minItems then "\($at): too few elements" else empty end),
      (if $s.maxItems and ($v | length) > $s.maxItems then "\($at): too many elements" else empty end),
      (if $s | has("items") then range($v | length) as $i | $v[$i] | faults($doc; $s.items; "\($at)[\($i)]")
        else empty end)
    elif ($v | type) == "object" then
      (if $s.minProperties and ($v | length) < $s.minProperties then "\($at): too few keys" else empty end),
      (if $s | has("maxProperties") then if ($v | length) > $s.maxProperties then "\($at): too many keys" else empty end
        else empty end),
      ($s.required // [] | .[] | . as $k | if $v | has($k) then empty else "\($at): \($k) is missing" end),
      (if $s.propertyNames then $v | keys[] | faults($doc; $s.propertyNames; "\($at): the key \(.)") else empty end),
      ($v | keys[] | . as $k | ($s.properties // {}) as $known
        | if $known | has($k) then $v[$k] | faults($doc; $known[$k]; "\($at).\($k)")
          elif $s | has("additionalProperties") then $v[$k] | faults($doc; $s.additionalProperties; "\($at).\($k)")
          else empty end)
    else empty end)
  end;

def faults($doc; $schema): faults($doc; $schema; "");
