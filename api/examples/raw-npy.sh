# The body: 64 values of float32, little-endian (1 is 00 00 80 3f), as many as the model's input has.
for _ in 1 2 3 4 5 6 7 8; do
  printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\077\0\0\200\077\0\0\0\0\0\0\0\0\0\0\0\0'
done
