/* exif.h - which way up a photograph is. */
#ifndef TP_EXIF_H
#define TP_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The Orientation (1 to 8) of EXIF metadata: a TIFF structure, with or without "Exif\0\0" in front.
 * 1, upright, when it is absent or the structure is broken: a picture is not lost for that. */
int tp_exif_orientation(const uint8_t *exif, size_t n_bytes);

#endif
