# The body: JSON of 209 bytes, as Inference-Header-Content-Length says, then 64 values of FP32 (1 is 00 00 80 3f).
printf '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,8,8,1],"parameters":{"binary_data_size":256}}],'
printf '"outputs":[{"name":"pool","parameters":{"binary_data":true}},{"name":"conv","parameters":{"pool":"max"}}]}'
for _ in 1 2 3 4 5 6 7 8; do
  printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\077\0\0\200\077\0\0\0\0\0\0\0\0\0\0\0\0'
done
