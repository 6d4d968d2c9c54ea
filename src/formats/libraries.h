/* libraries.h - the versions of the libraries in use, each told by its own door. */
#ifndef TP_LIBRARIES_H
#define TP_LIBRARIES_H

const char *tp_json_library(void);   /* "2.14" */
const char *tp_jpeg_library(void);   /* "libjpeg-turbo 2.1.5" */
const char *tp_png_library(void);
const char *tp_webp_library(void);
const char *tp_deflate_library(void);            /* "1.14" */
const char *tp_protobuf_library(void);           /* "1.4.1" */

#endif
