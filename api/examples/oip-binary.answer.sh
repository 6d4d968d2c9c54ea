# The answer: JSON, then the nine values of "pool" (3 is 00 00 40 40).
printf '{"model_name":"line-detector","model_version":"1","outputs":[{"name":"pool","datatype":"FP32",'
printf '"shape":[1,3,3,1],"parameters":{"binary_data_size":36}},'
printf '{"name":"conv","datatype":"FP32","shape":[1,1],"data":[3]}]}'
for _ in 1 2 3; do printf '\0\0\0\0\0\0\100\100\0\0\0\0'; done
