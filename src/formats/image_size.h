/* image_size.h - what an image file's header claims, read without a decoder. */
#ifndef TP_IMAGE_SIZE_H
#define TP_IMAGE_SIZE_H

#include "formats/image.h"

struct tp_image_size {
    int64_t n_pixels;                /* 0: no image, or none whose size stands where it should */
    bool whole;                      /* decoders keep all of it at once besides the pixels */
};

/* For estimates: nothing is checked but the claim itself. */
struct tp_image_size tp_image_size(const void *bytes, size_t n_bytes);

#endif
