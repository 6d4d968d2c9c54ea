#!/usr/bin/env bats
# tutorial.bats - every number of "A Gentle Introduction to Pooling Layers for Convolutional Neural
# Networks", from the built-in and from a posted pipeline.
# Run with each kind of kernels that this processor has.

load server

# The same maps without their inner brackets: rows of numbers.
rows() { json ".outputs[0].data[0] | map(map(.[0]))"; }

run_pipeline() {   # LAYERS TENSOR
  post /v1/run -H 'Content-Type: application/json' -d \
    "{\"pipeline\":{\"name\":\"tutorial\",\"input\":{\"shape\":[8,8,1]},\"layers\":[$1]},\"tensor\":$2}"
  expect_status 200
}

features() {   # QUERY TENSOR
  post "/v1/models/line-detector/features?$1" -d "{\"tensor\":$2}"
  expect_status 200
}

MAP='[[0,0,3,3,0,0],[0,0,3,3,0,0],[0,0,3,3,0,0],[0,0,3,3,0,0],[0,0,3,3,0,0],[0,0,3,3,0,0]]'
POOLED='[[0,3,0],[0,3,0],[0,3,0]]'

@test "the vertical line detector answers 6x6 with rows 0 0 3 3 0 0" {
  features layers=conv "$LINE"
  expect '.outputs[0].shape' '[1,6,6,1]'
  [ "$(rows)" = "$MAP" ]
  run_pipeline "$CONV" "$LINE"
  expect '.outputs[0].shape' '[1,6,6,1]'
  [ "$(rows)" = "$MAP" ]
}

@test "average pooling 2x2 answers 3x3 with rows 0 3 0" {
  features 'layers=conv&pool=avg&window=2' "$LINE"
  expect '.outputs[0].shape' '[1,3,3,1]'
  [ "$(rows)" = "$POOLED" ]
  run_pipeline "$CONV,{\"type\":\"AveragePooling2D\"}" "$LINE"
  [ "$(rows)" = "$POOLED" ]
}

@test "max pooling 2x2 answers 3x3 with rows 0 3 0" {
  features '' "$LINE"
  expect '.outputs[0].name' '"pool"'
  expect '.outputs[0].shape' '[1,3,3,1]'
  [ "$(rows)" = "$POOLED" ]
  run_pipeline "$CONV,{\"type\":\"MaxPooling2D\"}" "$LINE"
  [ "$(rows)" = "$POOLED" ]
}

@test "global max pooling answers 3" {
  features 'layers=conv&pool=max' "$LINE"
  expect '.outputs[0].shape' '[1,1]'
  expect '.outputs[0].data' '[[3]]'
  run_pipeline "$CONV,{\"type\":\"GlobalMaxPooling2D\"}" "$LINE"
  expect '.outputs[0].data' '[[3]]'
}

@test "global average pooling answers 1" {
  features 'layers=conv&pool=avg' "$LINE"
  expect '.outputs[0].data' '[[1]]'
  run_pipeline "$CONV,{\"type\":\"GlobalAveragePooling2D\"}" "$LINE"
  expect '.outputs[0].data' '[[1]]'
}

@test "summary says 10 parameters and the shapes (6,6,1) and (3,3,1)" {
  run "$TIDEPOOL_BIN" summary line-detector
  [ "$status" -eq 0 ]
  [[ "$output" == *"Conv2D"*"(6,6,1)"*" 10 "* ]]
  [[ "$output" == *"MaxPooling2D"*"(3,3,1)"*" 0 "* ]]
  [[ "$output" == *" 10 parameters"* ]]
}

@test "where the line is slanted, average and maximum differ" {
  local slanted='[[1,0,0,0,0,0,0,0],[0,1,0,0,0,0,0,0],[0,0,1,0,0,0,0,0],[0,0,0,1,0,0,0,0],[0,0,0,0,1,0,0,0],[0,0,0,0,0,1,0,0],[0,0,0,0,0,0,1,0],[0,0,0,0,0,0,0,1]]'
  # The map has ones on three diagonals: rows 1 1 0 0 0 0, 1 1 1 0 0 0, 0 1 1 1 0 0, ...
  features layers=conv "$slanted"
  [ "$(rows)" = '[[1,1,0,0,0,0],[1,1,1,0,0,0],[0,1,1,1,0,0],[0,0,1,1,1,0],[0,0,0,1,1,1],[0,0,0,0,1,1]]' ]
  features 'layers=conv&pool=avg&window=2' "$slanted"
  [ "$(rows)" = '[[1,0.25,0],[0.25,1,0.25],[0,0.25,1]]' ]
  features 'layers=conv&pool=max&window=2' "$slanted"
  [ "$(rows)" = '[[1,1,0],[1,1,1],[0,1,1]]' ]
  features 'layers=conv&pool=avg' "$slanted"
  expect '.outputs[0].data[0][0] * 36 | round' 16
  features 'layers=conv&pool=max' "$slanted"
  expect '.outputs[0].data' '[[1]]'
}

@test "a line shifted by one pixel changes the map and the windows, not the global values" {
  local shifted=${LINE//'0,0,0,1,1,0,0,0'/'0,0,0,0,1,1,0,0'}
  features layers=conv "$shifted"
  [ "$(rows)" = '[[0,0,0,3,3,0],[0,0,0,3,3,0],[0,0,0,3,3,0],[0,0,0,3,3,0],[0,0,0,3,3,0],[0,0,0,3,3,0]]' ]
  features '' "$shifted"
  [ "$(rows)" = '[[0,3,3],[0,3,3],[0,3,3]]' ]
  features 'layers=conv&pool=avg&window=2' "$shifted"
  [ "$(rows)" = '[[0,1.5,1.5],[0,1.5,1.5],[0,1.5,1.5]]' ]
  features 'layers=conv&pool=max' "$shifted"
  expect '.outputs[0].data' '[[3]]'
  features 'layers=conv&pool=avg' "$shifted"
  expect '.outputs[0].data' '[[1]]'
}
