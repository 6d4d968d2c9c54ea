# Whether an answer is the one expected: every key of the expectation is there with that value; more keys
# (timing_ms) may be; arrays agree element by element.
#   jq -e -f fits.jq --slurpfile expect NAME.expect.json ANSWER
def fits($want):
  . as $got
  | if ($want | type) == "object" then
      type == "object" and all($want | keys[]; . as $k | ($got | has($k)) and ($got[$k] | fits($want[$k])))
    elif ($want | type) == "array" then
      type == "array" and length == ($want | length)
      and all(range($want | length); . as $i | $got[$i] | fits($want[$i]))
    else . == $want end;
fits($expect[0].answer)
