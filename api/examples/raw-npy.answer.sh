# The answer: a .npy file, its header filled up to 128 bytes, and nine values of float16 (3 is 00 42).
printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 3, 3, 1), }"
for _ in 1 2 3; do printf '\0\0\0\102\0\0'; done
