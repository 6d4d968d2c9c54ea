# Whether an answer is the one expected: every key of the expectation is there with that value; more keys may be; arrays
# agree element by element, numbers to the precision of float32. Times and counters need only be there.
#   jq -e -L api/examples 'include "fits"; fits($expect[0].answer)' --slurpfile expect NAME.expect.json ANSWER
def moves: . == "timing_ms" or . == "last_inference" or . == "inference_count" or . == "execution_count"
  or . == "inference_stats" or . == "batch_stats" or . == "byte_size";
def near($want): . == $want or ((. - $want) | fabs) <= 2e-7 * ($want | fabs);
def fits($want):
  . as $got
  | if type != ($want | type) then false
    elif type == "object" then
      all($want | keys[]; . as $k | ($got | has($k)) and (($k | moves) or ($got[$k] | fits($want[$k]))))
    elif type == "array" then
      length == ($want | length) and all(range($want | length); . as $i | $got[$i] | fits($want[$i]))
    elif type == "number" then near($want)
    else . == $want end;
